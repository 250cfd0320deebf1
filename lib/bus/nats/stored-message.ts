/** A stored message as the server delivered it; what few receivers ask for is decoded late. */
import type { Msg } from '@nats-io/transport-node';
import type { StreamMessage } from '../port.ts';
import { headerBytes, isDeletion, payloadOf } from './wire-message.ts';

export class StoredMessage implements StreamMessage {
  readonly sequence: number;
  readonly payload: Buffer;
  readonly storedAtMs: number;
  readonly #message: Msg;
  readonly #subject: string | undefined;

  /** `subject` undefined: the message came under its own subject. */
  constructor(message: Msg, subject: string | undefined, sequence: number, storedAtMs: number) {
    this.#message = message;
    this.#subject = subject;
    this.sequence = sequence;
    this.payload = payloadOf(message);
    this.storedAtMs = storedAtMs;
  }

  get subject(): string {
    return this.#subject ?? this.#message.subject;
  }

  get deleted(): boolean {
    return isDeletion(headerBytes(this.#message));
  }
}

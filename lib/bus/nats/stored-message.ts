/** A stored message as the server delivered it; its header is read when somebody asks. */
import type { StreamMessage } from '../port.ts';
import { isDeletion } from './header-block.ts';

export class StoredMessage implements StreamMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly storedAtMs: number;
  readonly payload: Buffer;
  readonly #header: Buffer;

  constructor(
    subject: string,
    sequence: number,
    storedAtMs: number,
    payload: Buffer,
    header: Buffer,
  ) {
    this.subject = subject;
    this.sequence = sequence;
    this.storedAtMs = storedAtMs;
    this.payload = payload;
    this.#header = header;
  }

  get deleted(): boolean {
    return isDeletion(this.#header);
  }
}

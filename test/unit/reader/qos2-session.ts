/**
 * A stored session that publishes at QoS 2, with the gateways it was connected to — a model for
 * tests of "exactly once in". Appends may hang in a gateway and land much later; the client hears
 * of what landed only on the connection where it was sent, and sends again what it did not hear of.
 */
import { messageLength, type Position, positionOf, type RecordBuilder, RecordReader } from '#log';
import type { LogRecordView } from '#reader';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';

const IDENTIFIERS = [1, 2, 3];

interface Message {
  readonly id: string;
  readonly packetIdentifier: number;
  phase: 'publishing' | 'releasing' | 'done';
  /** Epoch of the connection on which the answer of this phase is due. */
  answeredOn: number;
}

/** What one gateway appends for one step of one message. */
export interface Qos2Entry {
  readonly session: Qos2Session;
  readonly message: Message;
  readonly phase: 'publishing' | 'releasing';
  readonly epoch: number;
}

export class Qos2Session {
  readonly generation: number;
  readonly messages: Message[] = [];
  epoch = 5;
  #append: (entry: Qos2Entry) => void;

  constructor(generation: number, append: (entry: Qos2Entry) => void) {
    this.generation = generation;
    this.#append = append;
  }

  get open(): readonly Message[] {
    return this.messages.filter(({ phase }) => phase !== 'done');
  }

  /** A new message, if an identifier is free. */
  publish(): void {
    const taken = new Set(this.open.map(({ packetIdentifier }) => packetIdentifier));
    const packetIdentifier = IDENTIFIERS.find((identifier) => !taken.has(identifier));
    if (packetIdentifier === undefined) return;
    const id = `${this.generation}.${this.messages.length}`;
    this.messages.push({ id, packetIdentifier, phase: 'publishing', answeredOn: 0 });
    this.#send(this.messages.at(-1) as Message);
  }

  /** On a new connection everything unanswered is sent again. */
  reconnect(): void {
    this.epoch += 2;
    for (const message of this.open) this.#send(message);
  }

  /** The gateway's append is durable: it answers, unless the connection is another one by now. */
  landed({ message, phase, epoch }: Qos2Entry): void {
    if (message.phase === phase && epoch === this.epoch) message.answeredOn = epoch;
  }

  /** The client hears what has been answered on this connection, and takes the next step. */
  hear(): void {
    for (const message of this.open) {
      if (message.answeredOn !== this.epoch) continue;
      message.answeredOn = 0;
      message.phase = message.phase === 'publishing' ? 'releasing' : 'done';
      if (message.phase === 'releasing') this.#send(message);
    }
  }

  #send(message: Message): void {
    const { phase } = message;
    if (phase !== 'done') this.#append({ session: this, message, phase, epoch: this.epoch });
  }
}

export function addEntry(builder: RecordBuilder, entry: Qos2Entry, epoch = entry.epoch): void {
  const { packetIdentifier, id } = entry.message;
  const key = { generation: entry.session.generation, epoch, packetIdentifier };
  if (entry.phase === 'releasing') {
    builder.addRelease(key);
    return;
  }
  const view = publishView({ topic: 't', payload: id, qos: 2 });
  builder.add(view, messageLength(view, key), 0, 1, false, key);
}

/** What was dispatched, by any number of owners. */
export class Dispatches {
  /** By message: positions. */
  readonly positions = new Map<string, Set<Position>>();

  /** As a logic does: what is not skipped is dispatched. */
  note({ sequence, payload, skipped, after }: LogRecordView): void {
    const reader = new RecordReader(payload, skipped);
    for (let index = reader.next(); index >= 0; index = reader.next()) {
      const position = positionOf(sequence, index);
      if (position <= after) continue;
      const id = payloadTextOf(reader.view);
      const known = this.positions.get(id);
      if (known === undefined) this.positions.set(id, new Set([position]));
      else known.add(position);
    }
  }

  /** Positions of each message of a session: exactly one each. */
  counts({ messages }: Qos2Session): readonly number[] {
    return messages.map(({ id }) => this.positions.get(id)?.size ?? 0);
  }
}

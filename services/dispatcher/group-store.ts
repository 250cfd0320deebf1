/**
 * Group store — shared subscriptions and their messages in the state log (docs/adr/0013).
 *
 * Shape: table 5: number → start and text of a group (resident); table 10: group, position, topic
 *        hash and size, all in the key → message. So recovery reads no messages. Table 11: number →
 *        positions that are done above the checkpoint, of gateways that have ended (resident).
 * Cost:  in memory the state log's index: one object per filed message and group.
 */
import type { Position } from '#log';
import type { StateTables } from '#state';
import { decodeGenerations, encodeGenerations } from './generation-list.ts';

export const GROUP_TABLE = 5;
export const GROUP_MESSAGE_TABLE = 10;
export const GROUP_OVER_TABLE = 11;

export interface StoredGroup {
  readonly number: number;
  /** Messages at or below are not for it. */
  readonly start: Position;
  readonly text: string;
}

/** What the key of a filed message says. */
export interface StoredGroupMessage {
  readonly position: Position;
  readonly topic: number;
  readonly bytes: number;
}

const START_BYTES = 8;

export class GroupStore {
  readonly #state: StateTables;

  constructor(state: StateTables) {
    this.#state = state;
  }

  put({ number, start, text }: StoredGroup): void {
    const value = Buffer.allocUnsafe(START_BYTES + Buffer.byteLength(text, 'utf8'));
    value.writeDoubleBE(start, 0);
    value.write(text, START_BYTES, 'utf8');
    this.#state.put(GROUP_TABLE, number.toString(36), value);
  }

  remove(number: number): void {
    this.#state.delete(GROUP_TABLE, number.toString(36));
    this.removeOver(number);
  }

  /** `over` ascends. */
  putOver(number: number, over: readonly Position[]): void {
    this.#state.put(GROUP_OVER_TABLE, number.toString(36), encodeGenerations(over));
  }

  removeOver(number: number): void {
    this.#state.delete(GROUP_OVER_TABLE, number.toString(36));
  }

  over(number: number): Position[] {
    const value = this.#state.peek(GROUP_OVER_TABLE, number.toString(36));
    return value === undefined ? [] : decodeGenerations(value);
  }

  groups(): StoredGroup[] {
    const groups: StoredGroup[] = [];
    for (const key of this.#state.keys(GROUP_TABLE)) {
      const value = this.#state.peek(GROUP_TABLE, key);
      if (value === undefined) continue;
      const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      const [start, text] = [bytes.readDoubleBE(0), bytes.toString('utf8', START_BYTES)];
      groups.push({ number: Number.parseInt(key, 36), start, text });
    }
    return groups;
  }

  /** `bytes` is kept by reference. */
  file(number: number, message: StoredGroupMessage, bytes: Buffer): void {
    this.#state.put(GROUP_MESSAGE_TABLE, keyOf(number, message), bytes);
  }

  delete(number: number, message: StoredGroupMessage): void {
    this.#state.delete(GROUP_MESSAGE_TABLE, keyOf(number, message));
  }

  /** Undefined when it has gone meanwhile. Never synchronous. */
  read(
    number: number,
    message: StoredGroupMessage,
    onMessage: (bytes: Buffer | undefined) => void,
  ): void {
    this.#state.get(GROUP_MESSAGE_TABLE, keyOf(number, message), onMessage);
  }

  /** All filed messages with the numbers of their groups, by position. */
  messages(): (readonly [number: number, message: StoredGroupMessage])[] {
    const messages = [...this.#state.keys(GROUP_MESSAGE_TABLE)].map((key) => {
      const [number = 0, position = 0, topic = 0, bytes = 0] = key
        .split('.')
        .map((part) => Number.parseInt(part, 36));
      return [number, { position, topic, bytes }] as const;
    });
    return messages.toSorted(([, a], [, b]) => a.position - b.position);
  }
}

function keyOf(number: number, { position, topic, bytes }: StoredGroupMessage): string {
  return [number, position, topic, bytes].map((part) => part.toString(36)).join('.');
}

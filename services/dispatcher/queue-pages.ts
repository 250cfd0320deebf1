/**
 * Queue pages — hands a session's queue to the gateway that has the session (S4, S9).
 *
 * Shape: stateless: each request says after which position; a page is PAGE_ENTRIES entries or
 *        PAGE_BYTES, one larger message alone. What has expired is left out; the page says up to
 *        where it reaches, so the gateway goes on behind it.
 * Pace:  READS_MAX pages are read at once per partition; who asks meanwhile waits. Reading never
 *        runs in the dispatch loop.
 */
import type { Clock } from '#base';
import type { Position } from '#log';
import { MESSAGE_PUBLISHER_OFFSET } from '#log';
import type { BoardSession } from './session-board.ts';
import type { SessionQueues } from './session-queues.ts';

const PAGE_ENTRIES = 128;
const PAGE_BYTES = 64 * 1024;
/** With the largest pages 4 MiB, with the largest messages 64 MiB. */
const READS_MAX = 64;
const POSITION_BYTES = 8;

export interface QueuePage {
  readonly request: number;
  readonly upTo: Position;
  readonly last: boolean;
  readonly entries: readonly Buffer[];
}

export interface QueuePagesOptions {
  readonly clock: Clock;
  readonly queues: SessionQueues;
  /** Everything up to here has been dispatched. */
  readonly position: () => Position;
  readonly send: (incarnation: string, page: QueuePage) => void;
  /** A page has been read: another one may be asked for. */
  readonly onRoom: () => void;
  /** Nothing is being filed for the session but by the dispatch: its queue has an end. */
  readonly isComplete: (session: BoardSession) => boolean;
}

export class QueuePages {
  pages = 0;
  readonly #o: QueuePagesOptions;
  /** Gateway and request being read. */
  readonly #reading = new Set<string>();

  constructor(options: QueuePagesOptions) {
    this.#o = options;
  }

  /** False: it cannot be answered now, for the session is being filed for. */
  ask(incarnation: string, session: BoardSession, request: number, after: Position): boolean {
    const key = `${incarnation} ${request}`;
    if (this.#reading.has(key)) return true;
    if (this.#reading.size >= READS_MAX) return false;
    const { queues, position, isComplete, send } = this.#o;
    // While it joins, the end of its queue is not the end of what waits for it.
    const isWhole = isComplete(session);
    const upTo = isWhole ? Math.max(after, position()) : after;
    const positions = this.#choose(session, after);
    const more = queues.above(session.slot, positions.at(-1) ?? after, 1).length > 0;
    if (positions.length === 0) {
      if (isWhole) send(incarnation, { request, upTo, last: true, entries: [] });
      return isWhole;
    }
    this.#reading.add(key);
    this.#read(positions, (entries) => {
      this.#reading.delete(key);
      this.pages++;
      const last = isWhole && !more;
      const reach = last ? upTo : (positions.at(-1) as Position);
      send(incarnation, { request, upTo: reach, last, entries });
      this.#o.onRoom();
    });
    return true;
  }

  /** Positions of the next page, by the sizes that the store knows. */
  #choose({ slot }: BoardSession, after: Position): Position[] {
    const { queues } = this.#o;
    const positions = queues.above(slot, after, PAGE_ENTRIES);
    let bytes = 0;
    for (let i = 0; i < positions.length; i++) {
      bytes += queues.store.message(positions[i] as Position)?.bytes ?? 0;
      if (i > 0 && bytes > PAGE_BYTES) return positions.slice(0, i);
    }
    return positions;
  }

  #read(positions: readonly Position[], onEntries: (entries: readonly Buffer[]) => void): void {
    const { queues, clock } = this.#o;
    const found: (Buffer | undefined)[] = [];
    let missing = positions.length;
    positions.forEach((position, i) => {
      const expiresAtSeconds = queues.store.message(position)?.expiresAtSeconds ?? 0;
      queues.store.read(position, (bytes) => {
        if (bytes !== undefined) {
          const isExpired = expiresAtSeconds !== 0 && expiresAtSeconds * 1_000 <= clock.wallMs();
          if (isExpired) queues.store.expire(position);
          else found[i] = entryOf(position, bytes);
        }
        if (--missing === 0) onEntries(found.filter((entry) => entry !== undefined));
      });
    });
  }
}

/** Position f64 and message; its publisher's number means nothing at this gateway. */
function entryOf(position: Position, bytes: Buffer): Buffer {
  const entry = Buffer.allocUnsafe(POSITION_BYTES + bytes.length);
  entry.writeDoubleBE(position, 0);
  bytes.copy(entry, POSITION_BYTES);
  entry.writeUInt32BE(0, POSITION_BYTES + MESSAGE_PUBLISHER_OFFSET);
  return entry;
}

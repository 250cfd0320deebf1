/**
 * Stored event — what the router keeps of a message until it is delivered (proto/wire/event.md).
 *
 *     event := version u8 = 1 | 0 u8 | receivedAtMs u48 | message as in a log record
 *
 * The same bytes wait in memory and in the state log, so that an event looks the same on every
 * attempt, by whichever router. They are a copy: a record's buffer is not kept for one message.
 */
import { Fault } from '#base';
import { readMessage } from '#log';
import type { PublishView } from '#mqtt';

const VERSION = 1;
export const EVENT_HEADER_BYTES = 8;

/** Copies the message in `record[start, end)`, its length field included. */
export function storeEvent(
  record: Buffer,
  start: number,
  end: number,
  receivedAtMs: number,
): Buffer {
  const event = Buffer.allocUnsafe(EVENT_HEADER_BYTES + (end - start));
  event[0] = VERSION;
  event[1] = 0;
  event.writeUIntBE(Math.max(0, Math.floor(receivedAtMs)), 2, 6);
  record.copy(event, EVENT_HEADER_BYTES, start, end);
  return event;
}

/** When a gateway closed the record that holds the message, ms since 1970. */
export function receivedAtMs(event: Buffer): number {
  return event.readUIntBE(2, 6);
}

/** Points `view` at the message. Throws Fault WEIR_WIRE for foreign bytes. */
export function openEvent(event: Buffer, view: PublishView): void {
  if (event.length < EVENT_HEADER_BYTES || event[0] !== VERSION) {
    throw new Fault('WEIR_WIRE', `stored event of unknown version ${event[0] ?? 'none'}`);
  }
  readMessage(event, EVENT_HEADER_BYTES, view);
}

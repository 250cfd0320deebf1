/**
 * Generation list — for whom a message is filed, as bytes: ascending differences, seven bits each.
 *
 * Cost: one or two bytes per session when many neighbours wait for the same message.
 */
import { Fault } from '#base';

const VARINT_BYTES_MAX = 8;

/** `generations` ascends. */
export function encodeGenerations(generations: ArrayLike<number>): Buffer {
  const bytes = Buffer.allocUnsafe(generations.length * VARINT_BYTES_MAX);
  let at = 0;
  let last = 0;
  for (let i = 0; i < generations.length; i++) {
    const generation = generations[i] as number;
    let difference = generation - last;
    last = generation;
    while (difference >= 0x80) {
      bytes[at++] = (difference % 0x80) | 0x80;
      difference = Math.floor(difference / 0x80);
    }
    bytes[at++] = difference;
  }
  return Buffer.from(bytes.subarray(0, at));
}

/** Fault WEIR_WIRE when it ends within a number. */
export function decodeGenerations(bytes: Uint8Array): number[] {
  const generations: number[] = [];
  let last = 0;
  let at = 0;
  while (at < bytes.length) {
    let difference = 0;
    let scale = 1;
    let byte = 0x80;
    while (byte >= 0x80) {
      const next = bytes[at++];
      if (next === undefined) throw new Fault('WEIR_WIRE', 'generation list ends too early');
      byte = next;
      difference += (byte & 0x7f) * scale;
      scale *= 0x80;
    }
    last += difference;
    generations.push(last);
  }
  return generations;
}

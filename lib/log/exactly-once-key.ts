/**
 * Exactly-once key — what tells a PUBLISH of QoS 2 from its repeats (protocol 25).
 *
 * Shape: 14 bytes between the prefix of a message and its topic, or all of a release: generation
 *        u48 (the session's life), epoch u48 (the number of its stay, ADR 0012: rises with each
 *        connection), packet identifier u16.
 * Once:  a PUBLISH whose (generation, packet identifier) is open is a repeat; a release closes it.
 *        An entry of a lower epoch than one seen is a copy that was stuck in an earlier gateway.
 * Whose: stored sessions' only. A clean session needs none: its gateway knows the identifiers of
 *        the connection, and nothing is sent again after it, for a new connection is a new session.
 */
export interface ExactlyOnceKey {
  readonly generation: number;
  readonly epoch: number;
  readonly packetIdentifier: number;
}

export const KEY_BYTES = 14;

/** Writes the key at `offset`; returns one past it. */
export function writeKey(out: Buffer, offset: number, key: ExactlyOnceKey): number {
  out.writeUIntBE(key.generation, offset, 6);
  out.writeUIntBE(key.epoch, offset + 6, 6);
  return out.writeUInt16BE(key.packetIdentifier, offset + 12);
}

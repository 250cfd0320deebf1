/**
 * Acknowledgement ring — PUBACKs and PUBRECs leave in the order in which the PUBLISHes came.
 *
 * Shape: a ring of (packet identifier, outcome) that starts small and doubles. Appends are decided
 *        in any order over topics; an outcome waits here until all before it are decided.
 * Token: the number of the PUBLISH on this connection, 30 bits, wrapping; what `open` returns comes
 *        back in `settle`.
 * Full:  never by itself. The session closes (MQTT 5) or stops reading (3.1.1) at its receive
 *        maximum, so the ring grows by at most one read of a socket beyond it.
 * Repeat: an identifier of QoS 1 that is still open is taken as a new message, as it is after its
 *        PUBACK. What a repeat of QoS 2 is, PublishFlow knows.
 * Spec:  MQTT 5 §4.6 [MQTT-4.6.0-2], [MQTT-4.6.0-3]; protocol 3.
 */
import assert from 'node:assert/strict';

/** Takes one acknowledgement that is due. */
export interface AcknowledgementSink {
  acknowledge(packetIdentifier: number, reasonCode: number, kind: AcknowledgementKind): void;
}

export const PUBACK_DUE = 0;
export const PUBREC_DUE = 0x200;
/** PUBREC for a PUBLISH that came before. */
export const PUBREC_AGAIN_DUE = 0x400;
export type AcknowledgementKind = 0 | 0x200 | 0x400;

const SLOTS_START = 16;
/** Receive maximum plus the smallest QoS 1 PUBLISHes of one read stay far below. */
const SLOTS_MAX = 1 << 18;
const TOKEN_MASK = (1 << 30) - 1;
/** An outcome: reason code, whether it is decided, kind. */
const DECIDED = 0x100;
const KIND_MASK = 0x600;

export class AcknowledgementRing {
  #identifiers = new Uint16Array(0);
  #outcomes = new Uint16Array(0);
  #mask = -1;
  /** Token of the oldest PUBLISH that is not acknowledged. */
  #head = 0;
  #count = 0;

  /** PUBLISHes without PUBACK or PUBREC. */
  get openCount(): number {
    return this.#count;
  }

  /** Takes the next place for a PUBLISH; returns its token. */
  open(packetIdentifier: number, kind: AcknowledgementKind): number {
    if (this.#count === this.#identifiers.length) this.#grow();
    const token = (this.#head + this.#count) & TOKEN_MASK;
    const slot = token & this.#mask;
    this.#identifiers[slot] = packetIdentifier;
    this.#outcomes[slot] = kind;
    this.#count++;
    return token;
  }

  /** Decides one PUBLISH and hands on every acknowledgement that has become due, oldest first. */
  settle(token: number, reasonCode: number, sink: AcknowledgementSink): void {
    assert.ok(((token - this.#head) & TOKEN_MASK) < this.#count, 'token is not open');
    const decided = token & this.#mask;
    this.#outcomes[decided] = (this.#outcomes[decided] as number) | DECIDED | reasonCode;
    while (this.#count > 0) {
      const slot = this.#head & this.#mask;
      const outcome = this.#outcomes[slot] as number;
      if ((outcome & DECIDED) === 0) return;
      this.#head = (this.#head + 1) & TOKEN_MASK;
      this.#count--;
      const kind = (outcome & KIND_MASK) as AcknowledgementKind;
      sink.acknowledge(this.#identifiers[slot] as number, outcome & 0xff, kind);
    }
  }

  #grow(): void {
    const slots = Math.max(SLOTS_START, this.#identifiers.length * 2);
    assert.ok(slots <= SLOTS_MAX, 'acknowledgement ring out of bounds');
    const identifiers = new Uint16Array(slots);
    const outcomes = new Uint16Array(slots);
    for (let i = 0; i < this.#count; i++) {
      const token = (this.#head + i) & TOKEN_MASK;
      identifiers[token & (slots - 1)] = this.#identifiers[token & this.#mask] as number;
      outcomes[token & (slots - 1)] = this.#outcomes[token & this.#mask] as number;
    }
    this.#identifiers = identifiers;
    this.#outcomes = outcomes;
    this.#mask = slots - 1;
  }
}

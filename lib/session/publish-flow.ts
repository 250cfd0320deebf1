/**
 * Publish flow — the client's own PUBLISHes of QoS 1 and 2, from their append to PUBACK or PUBCOMP.
 *
 *     QoS 1   PUBLISH → append → PUBACK
 *     QoS 2   PUBLISH → append → PUBREC → PUBREL → release in the log → PUBCOMP
 *
 * Repeat: an identifier that is open on this connection is no new message; it is answered by PUBREC
 *        once the first one is stored. One of an earlier connection is for the log's readers to
 *        find; so is what a PUBREL of a resumed session releases.
 * Bound: identifiers are 65,535. MQTT 5 keeps to our receive maximum, which counts QoS 2 until
 *        PUBCOMP; 3.1.1 is not read on while too many appends are open.
 * Cost:  QoS 1 allocates nothing; QoS 2 an entry of a map per open message.
 * Spec:  MQTT 5 §4.3.2, §4.3.3, [MQTT-4.3.3-8] to -13; 3.1.1 [MQTT-4.3.3-2]; protocol 3, 25.
 */
import {
  AcknowledgementRing,
  PUBACK_DUE,
  PUBREC_AGAIN_DUE,
  PUBREC_DUE,
} from './acknowledgement-ring.ts';
import type { AcknowledgementKind, AcknowledgementSink } from './acknowledgement-ring.ts';
import type { SessionOutput, SessionPort } from './session-port.ts';

const PACKET_IDENTIFIER_IN_USE = 0x91;
const PACKET_IDENTIFIER_NOT_FOUND = 0x92;
const FAILURE = 0x80;

/** How far a QoS 2 message is; from RELEASING on, one more for each further PUBREL. */
const APPENDING = 1;
const RECEIVED = 2;
const RELEASING = 3;

export class PublishFlow implements AcknowledgementSink {
  readonly #port: SessionPort;
  readonly #output: SessionOutput;
  readonly #ring = new AcknowledgementRing();
  /** Of this connection; made with its first QoS 2 message. */
  #steps: Map<number, number> | undefined;
  /** Of earlier connections: being released, and by how many PUBRELs. */
  #inherited: Map<number, number> | undefined;
  /** QoS 2 between PUBREC and PUBCOMP. */
  #receivedCount = 0;

  constructor(port: SessionPort, output: SessionOutput) {
    this.#port = port;
    this.#output = output;
  }

  /** PUBLISHes without PUBACK or PUBREC. */
  get unacknowledgedCount(): number {
    return this.#ring.openCount;
  }
  /** What counts against our receive maximum. */
  get openCount(): number {
    return this.#ring.openCount + this.#receivedCount;
  }

  /** Whether a QoS 2 PUBLISH with this identifier is a repeat. */
  isOpen(packetIdentifier: number): boolean {
    return this.#steps?.has(packetIdentifier) === true;
  }

  /** Takes a new message; returns the token that `settle` wants. */
  open(packetIdentifier: number, qos: 1 | 2): number {
    if (qos === 1) return this.#ring.open(packetIdentifier, PUBACK_DUE);
    this.#steps ??= new Map();
    this.#steps.set(packetIdentifier, APPENDING);
    return this.#ring.open(packetIdentifier, PUBREC_DUE);
  }

  /** A QoS 2 PUBLISH again: it is answered behind the ones before it. */
  repeat(packetIdentifier: number): void {
    this.#ring.settle(this.#ring.open(packetIdentifier, PUBREC_AGAIN_DUE), 0, this);
  }

  /** The publish of this token is stored (0) or refused. */
  settle(token: number, reasonCode: number): void {
    this.#ring.settle(token, reasonCode, this);
  }

  /** Called by the ring, in order of the PUBLISHes. */
  acknowledge(packetIdentifier: number, reasonCode: number, kind: AcknowledgementKind): void {
    if (kind === PUBACK_DUE) this.#output.sendPuback(packetIdentifier, reasonCode);
    else if (kind === PUBREC_DUE) this.#decided(packetIdentifier, reasonCode);
    else this.#answerRepeat(packetIdentifier);
  }

  #decided(packetIdentifier: number, reasonCode: number): void {
    if (reasonCode >= FAILURE) this.#steps?.delete(packetIdentifier);
    else {
      this.#steps?.set(packetIdentifier, RECEIVED);
      this.#receivedCount++;
    }
    this.#output.sendPubrec(packetIdentifier, reasonCode);
  }

  #answerRepeat(packetIdentifier: number): void {
    const step = this.#steps?.get(packetIdentifier);
    // A new message under this identifier will be answered in its turn.
    if (step === APPENDING) return;
    const isThere = step !== undefined;
    this.#output.sendPubrec(packetIdentifier, isThere ? 0 : PACKET_IDENTIFIER_IN_USE);
  }

  /** PUBREL. False: it came before its PUBREC. */
  release(packetIdentifier: number, isResumed: boolean): boolean {
    const step = this.#steps?.get(packetIdentifier);
    if (step === APPENDING) return false;
    if (step === undefined) {
      if (isResumed) this.#releaseInherited(packetIdentifier);
      else this.#output.sendPubcomp(packetIdentifier, PACKET_IDENTIFIER_NOT_FOUND);
      return true;
    }
    this.#steps?.set(packetIdentifier, step + 1);
    if (step === RECEIVED) this.#port.releasePublish(packetIdentifier);
    return true;
  }

  /** Whether it was ever published, only the log's readers know. */
  #releaseInherited(packetIdentifier: number): void {
    this.#inherited ??= new Map();
    const count = this.#inherited.get(packetIdentifier) ?? 0;
    this.#inherited.set(packetIdentifier, count + 1);
    if (count === 0) this.#port.releasePublish(packetIdentifier);
  }

  /** The release is in the log. */
  released(packetIdentifier: number): void {
    const step = this.#steps?.get(packetIdentifier) ?? 0;
    let pubrels = this.#inherited?.get(packetIdentifier) ?? 0;
    if (step >= RELEASING) {
      this.#steps?.delete(packetIdentifier);
      this.#receivedCount--;
      pubrels = step - RECEIVED;
    } else this.#inherited?.delete(packetIdentifier);
    for (let i = 0; i < pubrels; i++) {
      this.#output.sendPubcomp(packetIdentifier, i === 0 ? 0 : PACKET_IDENTIFIER_NOT_FOUND);
    }
  }
}

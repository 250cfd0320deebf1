/**
 * The device's end of a connection: takes what its gateway sends and answers at its own pace, first
 * in, first out. What it has taken stands in the ledger of its session.
 *
 * Lost: a device that has vanished takes and answers nothing; its gateway does not know.
 */
import type { Clock, Random, Timer } from '#base';
import type { PublishView } from '#mqtt';
import type { DeliveryTerms, SessionOutput } from '#session';
import { payloadTextOf, topicTextOf } from '../fixtures/publish-view.ts';
import type { Life, Receipt, SimSession } from './sim-session.ts';

/** How a device takes its messages. */
export interface Manner {
  /** Until an answer, ms, drawn evenly. */
  readonly acknowledgesAfterMs: readonly [min: number, max: number];
  /** Deliveries that may await it. */
  readonly receiveMaximum: number;
  /** Small deliveries that may wait besides. */
  readonly backlogMax: number;
}

export type AnswerKind = 'puback' | 'pubrec' | 'pubcomp';

interface Answer {
  readonly kind: AnswerKind;
  readonly identifier: number;
  readonly receipt: Receipt | undefined;
  dueMs: number;
}

export interface DeviceEndOptions {
  readonly session: SimSession;
  readonly life: Life;
  readonly connection: number;
  /** Of the gateway's process: it reads sockets in its turns. */
  readonly clock: Clock;
  readonly random: Random;
  readonly manner: Manner;
  /** The gateway reads no sockets now. */
  readonly isPaused: () => boolean;
  readonly onAnswer: (kind: AnswerKind, identifier: number) => void;
}

const PAUSED_RETRY_MS = 20;

export class DeviceEnd implements SessionOutput {
  /** Answers nothing until it is false again. */
  isMute = false;
  readonly #o: DeviceEndOptions;
  #manner: Manner;
  #answers: Answer[] = [];
  #timer: Timer | undefined;
  #isGone = false;

  constructor(options: DeviceEndOptions) {
    this.#o = options;
    this.#manner = options.manner;
  }

  /** From now on it answers like this, also what it has. */
  behave(manner: Manner): void {
    this.#manner = manner;
    const latestMs = this.#o.clock.nowMs() + manner.acknowledgesAfterMs[1];
    for (const answer of this.#answers) answer.dueMs = Math.min(answer.dueMs, latestMs);
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
    this.#timer = undefined;
    this.#plan();
  }

  /** It is gone, or its connection over: nothing arrives any more. */
  leave(): void {
    this.#isGone = true;
    this.#answers = [];
  }

  sendDelivery(
    view: PublishView,
    qos: 0 | 1 | 2,
    packetIdentifier: number,
    terms: DeliveryTerms,
    isPromised: boolean,
    duplicate: boolean,
  ): boolean {
    if (!isPromised && !this.takesDelivery(view)) return false;
    const { session, life, connection } = this.#o;
    const topic = topicTextOf(view);
    const [id = ''] = payloadTextOf(view).split(' ', 1);
    if (qos > 0) life.nameSent(packetIdentifier, id);
    if (this.#isGone) return true;
    // QoS 2: what it has under this identifier already is the same message ([MQTT-4.3.3-10]).
    const isKnown = qos === 2 && session.openQos2.has(packetIdentifier);
    let receipt: Receipt | undefined;
    if (!isKnown) {
      const { retained } = terms;
      const what = { id, topic, qos, retained, connection, packetIdentifier, duplicate };
      receipt = { ...what, settled: false };
      life.received.push(receipt);
    }
    if (qos === 2) session.openQos2.add(packetIdentifier);
    if (qos > 0) this.#answer(qos === 1 ? 'puback' : 'pubrec', packetIdentifier, receipt);
    return true;
  }

  takesDelivery({ expiresAtSeconds }: PublishView): boolean {
    return expiresAtSeconds === 0 || expiresAtSeconds * 1_000 > this.#o.clock.wallMs();
  }

  sendPubrel(packetIdentifier: number): void {
    if (this.#isGone) return;
    this.#o.session.openQos2.delete(packetIdentifier);
    this.#answer('pubcomp', packetIdentifier, undefined);
  }

  #answer(kind: AnswerKind, identifier: number, receipt: Receipt | undefined): void {
    const [min, max] = this.#manner.acknowledgesAfterMs;
    const { clock, random } = this.#o;
    const lastMs = this.#answers.at(-1)?.dueMs ?? 0;
    const dueMs = Math.max(lastMs, clock.nowMs() + min + (max - min) * random());
    this.#answers.push({ kind, identifier, receipt, dueMs });
    this.#plan();
  }

  #plan(): void {
    const [first] = this.#answers;
    if (first === undefined || this.#timer !== undefined) return;
    const { clock, isPaused } = this.#o;
    const waits = this.isMute || isPaused();
    const delayMs = waits ? PAUSED_RETRY_MS : Math.max(0.1, first.dueMs - clock.nowMs());
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      if (!this.isMute && !isPaused()) this.#give(clock.nowMs());
      this.#plan();
    });
  }

  /** In a turn of the gateway, as it reads its sockets. */
  #give(nowMs: number): void {
    for (let [first] = this.#answers; first !== undefined; [first] = this.#answers) {
      if (first.dueMs > nowMs) return;
      this.#answers.shift();
      if (first.receipt !== undefined) first.receipt.settled = true;
      this.#o.onAnswer(first.kind, first.identifier);
    }
  }

  // What a device hears besides is told by the core's callbacks.
  sendConnack(): boolean {
    return true;
  }
  sendPuback(): void {}
  sendPubrec(): void {}
  sendPubcomp(): void {}
  sendSuback(): void {}
  sendUnsuback(): void {}
  sendPingresp(): void {}
  sendAuth(): void {}
}

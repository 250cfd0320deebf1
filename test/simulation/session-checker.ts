/** Checker of stored sessions: what each life got, against what it was owed (I2, I4, I5, I7). */
import { topicMatchesFilter } from '#topics';
import type { SessionTraffic } from './session-traffic.ts';
import {
  isAskedFor,
  type Life,
  type Receipt,
  type SimSession,
  type Subscribed,
} from './sim-session.ts';
import type { Published, Traffic } from './traffic.ts';

export interface SessionChecks {
  readonly sessions: SessionTraffic;
  readonly traffic: Traffic;
  /** Place in the log of a message; undefined: it is not there. */
  readonly placeOf: (id: string) => number | undefined;
  readonly fail: (problem: string) => void;
}

export class SessionChecker {
  readonly #c: SessionChecks;
  readonly #publishedById = new Map<string, Published>();

  constructor(checks: SessionChecks) {
    this.#c = checks;
    for (const published of checks.traffic.published) {
      this.#publishedById.set(published.id, published);
    }
  }

  check(): void {
    for (const { session, client } of this.#c.sessions.devices) {
      for (const problem of session.problems) this.#c.fail(problem);
      for (const life of session.lives) {
        this.#checkReceived(session, life);
        this.#checkOwed(session, life, life === session.life);
      }
      if (client?.open !== true) this.#c.fail(`${session.clientIdentifier} is not connected`);
      else if (client.unanswered > 0) {
        this.#c.fail(`SUBACK or UNSUBACK of ${session.clientIdentifier} never came`);
      }
    }
  }

  #checkReceived(session: SimSession, life: Life): void {
    const { fail } = this.#c;
    const who = `${session.clientIdentifier} (life ${session.lives.indexOf(life) + 1})`;
    const first = new Map<string, Receipt>();
    const lastPlace = new Map<string, number>();
    for (const [index, receipt] of life.received.entries()) {
      const { id, topic, retained, connection, qos } = receipt;
      if (retained || id === '' || !id.startsWith('m')) continue;
      const place = this.#c.placeOf(id) ?? -1;
      if (place < 0) fail(`I2: ${id} delivered to ${who}, but not in the log`);
      this.#checkStart(who, life, receipt, place);
      const before = first.get(id);
      if (before?.qos === 2 && qos === 2) fail(`I6: ${id} twice with QoS 2 at ${who}`);
      // A copy for each of two subscriptions is allowed (MQTT 5 §3.3.4): one of them with QoS 0.
      if (before !== undefined && (before.qos === 0) !== (qos === 0)) continue;
      if (before !== undefined) {
        if (before.connection === connection) fail(`I4: ${id} twice on one connection of ${who}`);
        else if (session.exact) this.#checkAgain(who, before, receipt);
        continue;
      }
      first.set(id, receipt);
      if (qos === 0 || !isOwed(life, id, topic, index)) continue;
      if (place < (lastPlace.get(topic) ?? -1))
        fail(`I5: ${id} out of order on ${topic} at ${who}`);
      lastPlace.set(topic, place);
    }
  }

  /** In calm runs only what was not acknowledged comes again, under its identifier. */
  #checkAgain(who: string, before: Receipt, again: Receipt): void {
    const { id } = again;
    if (before.settled) this.#c.fail(`I4: ${id} again at ${who}, though acknowledged`);
    else if (!again.duplicate && again.qos > 0)
      this.#c.fail(`I4: ${id} again at ${who} without DUP`);
    else if (again.qos > 0 && before.packetIdentifier !== again.packetIdentifier) {
      this.#c.fail(`I4: ${id} again at ${who} under another identifier`);
    }
  }

  /** Nothing that its gateway had passed before SUBSCRIBE. */
  #checkStart(who: string, life: Life, { id, topic }: Receipt, place: number): void {
    const mayCome = (s: Subscribed): boolean => {
      if (!topicMatchesFilter(topic, s.topicFilter)) return false;
      return place > this.#startOf(s, topic);
    };
    if (!life.subscribed.some(mayCome)) this.#c.fail(`I7: ${id} is from before ${who}`);
  }

  readonly #starts = new Map<Subscribed, Map<string, number>>();

  /** Per topic: what had been delivered of it at the gateway. Places compare within a partition. */
  #startOf(subscribed: Subscribed, topic: string): number {
    let starts = this.#starts.get(subscribed);
    if (starts === undefined) {
      this.#starts.set(subscribed, (starts = new Map()));
      for (const id of subscribed.notBelow.slice(0, subscribed.notBelowCount)) {
        const of = this.#publishedById.get(id)?.topic;
        const place = this.#c.placeOf(id);
        if (of === undefined || place === undefined) continue;
        starts.set(of, Math.max(starts.get(of) ?? -1, place));
      }
    }
    return starts.get(topic) ?? -1;
  }

  /**
   * What is owed came: in the last life all of it, in others what stands before something that
   * came on the same topic.
   */
  #checkOwed({ clientIdentifier }: SimSession, life: Life, isLast: boolean): void {
    const lastPlace = new Map<string, number>();
    const seen = new Set<string>();
    for (const { id, topic, retained, qos } of life.received) {
      if (retained) continue;
      seen.add(id);
      const place = qos === 0 ? -1 : (this.#c.placeOf(id) ?? -1);
      lastPlace.set(topic, Math.max(lastPlace.get(topic) ?? -1, place));
    }
    for (const { topic, id, qos, expires, clears } of this.#c.traffic.published) {
      if (qos === 0 || expires || clears || seen.has(id)) continue;
      const place = this.#c.placeOf(id);
      if (place === undefined || (!isLast && place > (lastPlace.get(topic) ?? -1))) continue;
      const owed = life.subscribed.some(
        (s) =>
          isAskedFor(s, id) && s.until === Infinity && topicMatchesFilter(topic, s.topicFilter),
      );
      if (owed) this.#c.fail(`I2: ${id} on ${topic} missing at ${clientIdentifier}`);
    }
  }
}

/**
 * Published between SUBACK and UNSUBSCRIBE of some filter, and received before the latter: until
 * UNSUBACK the gateway may be without the filter already while the session has it still, and what
 * only this filter asks for comes late or never. What else came may come at any time.
 */
function isOwed(life: Life, id: string, topic: string, index: number): boolean {
  const number = Number(id.slice(1));
  return life.subscribed.some(
    (s) =>
      isAskedFor(s, id) &&
      number < s.until &&
      index < s.untilReceipt &&
      topicMatchesFilter(topic, s.topicFilter),
  );
}

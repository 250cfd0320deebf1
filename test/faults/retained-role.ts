/**
 * Retained role — one publisher of retained messages, and a reader who subscribes again and again.
 *
 * A new subscription gets of each topic one retained message, and after it, without a gap, what
 * has taken its place since, live: at least up to what had its PUBACK when SUBSCRIBE was sent.
 * Where the place changed between the two, all comes live. A repeat may land late, and be kept.
 */
import { setTimeout as pass } from 'node:timers/promises';
import type { IPublishPacket } from 'mqtt-packet';
import { waitFor } from '../fixtures/wait-for.ts';
import type { Broken } from './broken.ts';
import type { Publication } from './ledger.ts';
import { MqttConnection } from './mqtt-connection.ts';
import { Publisher } from './publisher.ts';
import type { Ground, Role, Verdict } from './role.ts';

const TOPICS = 3;
const PER_SECOND = 12;
/** Pace of the visits. */
const AGAIN_MS = 300;
/** Live messages are awaited for so long after the last retained one. */
const LINGER_MS = 800;
/** Longer than an outage and a take-over. */
const ANSWER_LIMIT_MS = 45_000;
const POLL_MS = 20;

interface Visit {
  readonly connection: MqttConnection;
  readonly acknowledged: ReadonlyMap<string, Publication>;
  readonly retained: Map<string, Publication>;
  readonly live: Set<Publication>;
}

export class RetainedRole implements Role {
  readonly name = 'retained';
  readonly #ground: Ground;
  readonly #broken: Broken[] = [];
  #publisher: Publisher | undefined;
  #done: Promise<void> | undefined;
  #isClosed = false;
  #isSettling = false;
  #wholeAfterSettling = 0;
  #visits = 0;
  #received = 0;
  #expected = 0;
  #lost = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  start(): Promise<void> {
    const { run, ledger, entrance, random } = this.#ground;
    this.#publisher = new Publisher({
      ...{ name: `${run}-retained`, ledger, entrance, random },
      ...{ perSecond: PER_SECOND, qos: 1, version: 5, retain: true },
      topics: Array.from({ length: TOPICS }, (_, index) => `${run}/kept/${index}`),
    });
    this.#done = this.#run();
    return Promise.resolve();
  }

  settle(): void {
    this.#publisher?.stop();
    this.#isSettling = true;
  }

  /** A last look at everything, when nothing is open any more. */
  owed(): number {
    return (this.#publisher?.openCount ?? 0) + (this.#wholeAfterSettling > 0 ? 0 : 1);
  }

  judge(): Verdict {
    const row = { who: 'retained', lives: this.#visits, connections: this.#visits };
    const none = { duplicates: 0, excused: 0, outOfOrder: 0 };
    const sums = { entitled: this.#expected, received: this.#received, lost: this.#lost };
    const broken = [...this.#broken, ...(this.#publisher?.broken ?? [])];
    return { sums: [{ ...row, ...sums, ...none }], broken };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#publisher?.close();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { run, entrance } = this.#ground;
    const name = `${run}-reader`;
    while (!this.#isClosed) {
      const isLast = this.#isSettling && this.#publisher?.openCount === 0;
      let connection: MqttConnection | undefined;
      try {
        const acknowledged = this.#lastAcknowledged();
        const visit = { acknowledged, retained: new Map(), live: new Set<Publication>() };
        connection = await MqttConnection.open({
          ...{ port: entrance.pick(name).port, version: 5, clientIdentifier: name },
          expirySeconds: 0,
          events: {
            onOpen: () => undefined,
            onPublish: (packet, from) => this.#take({ ...visit, connection: from }, packet),
            onAck: () => undefined,
            onEnd: () => undefined,
          },
        });
        await this.#visit({ ...visit, connection });
        if (isLast && connection.isOpen) this.#wholeAfterSettling += 1;
      } catch {
        // Not there, or lost before SUBACK: the next visit.
      }
      connection?.destroy();
      await pass(AGAIN_MS);
    }
  }

  /** Ends early, without judgement, when the connection does. */
  async #visit(visit: Visit): Promise<void> {
    const { connection, acknowledged } = visit;
    const sentMs = performance.now();
    const codes = await connection.subscribe(`${this.#ground.run}/kept/#`, 1);
    if (codes === undefined) this.#fault('stuck', 'no SUBACK for the reader', sentMs);
    this.#visits += 1;
    const isWhole = (): boolean =>
      [...acknowledged].every(([topic, last]) => hasReached(topic, last.number, visit));
    const isOver = (): boolean => isWhole() || !connection.isOpen || this.#isClosed;
    // What is missing at the limit is judged below.
    await waitFor(isOver, { limitMs: ANSWER_LIMIT_MS, pollMs: POLL_MS }).catch(() => undefined);
    // For what should not come: nothing says that it does not.
    if (isWhole()) await pass(LINGER_MS);
    if (connection.isOpen && !this.#isClosed) this.#judge(visit, sentMs);
  }

  #take({ connection, retained, live }: Visit, packet: IPublishPacket): void {
    const { topic, payload, retain, messageId = 0 } = packet;
    this.#received += 1;
    if (packet.qos > 0) connection.ack('puback', messageId);
    const publication = this.#ground.ledger.find(payload.toString());
    if (publication?.topic !== topic) this.#fault('unknown', `${topic} at the reader`);
    else if (!retain) live.add(publication);
    else if (retained.has(topic)) this.#fault('retained', `${topic} twice`);
    else retained.set(topic, publication);
  }

  #judge(visit: Visit, atMs: number): void {
    for (const [topic, last] of visit.acknowledged) {
      this.#expected += 1;
      const got = firstOf(topic, visit);
      if (got === undefined) {
        this.#lost += 1;
        this.#fault('retained', `${topic}: none, ${last.number} was acknowledged`, atMs);
        continue;
      }
      if (got.repeats > 0) continue;
      if (!hasReached(topic, last.number, visit)) {
        this.#lost += 1;
        this.#fault('retained', `${topic}: ${got.number}, older than ${last.number}`, atMs);
      }
      this.#judgeGap(topic, got, visit.live, atMs);
    }
  }

  #judgeGap(topic: string, got: Publication, live: ReadonlySet<Publication>, atMs: number): void {
    const onTopic = [...live].filter((publication) => publication.topic === topic);
    const highest = onTopic.reduce((most, { number }) => Math.max(most, number), got.number);
    const { ledger } = this.#ground;
    for (let index = ledger.firstAfter(got.sentMs); index < ledger.messages.length; index++) {
      const publication = ledger.messages[index];
      if (publication?.topic !== topic) continue;
      if (publication.number >= highest) break;
      if (publication.fate !== 'acknowledged') continue;
      if (publication.number <= got.number || live.has(publication)) continue;
      this.#lost += 1;
      const text = `${topic}: ${publication.number} fell between ${got.number} and ${highest}`;
      this.#fault('retained', text, atMs);
    }
  }

  #lastAcknowledged(): Map<string, Publication> {
    const last = new Map<string, Publication>();
    const { messages } = this.#ground.ledger;
    for (let index = messages.length - 1; index >= 0 && last.size < TOPICS; index--) {
      const publication = messages[index];
      if (publication?.retain !== true || publication.fate !== 'acknowledged') continue;
      if (!last.has(publication.topic)) last.set(publication.topic, publication);
    }
    return last;
  }

  #fault(what: Broken['what'], text: string, atMs = performance.now()): void {
    this.#broken.push({ what, who: 'retained', text, atMs });
  }
}

/** Whether the newest that came is this one or a later one, or a repeat that landed late. */
function hasReached(topic: string, number: number, visit: Visit): boolean {
  const first = firstOf(topic, visit);
  if (first === undefined) return false;
  if (first.repeats > 0 || first.number >= number) return true;
  return [...visit.live].some((one) => one.topic === topic && one.number >= number);
}

/** The retained message, or the oldest that came live. */
function firstOf(topic: string, { retained, live }: Visit): Publication | undefined {
  let first = retained.get(topic);
  if (first !== undefined) return first;
  for (const publication of live) {
    if (publication.topic !== topic) continue;
    if (first === undefined || publication.number < first.number) first = publication;
  }
  return first;
}

/**
 * Wills role — clients with a will who come, stay for a while and end in every way there is.
 *
 * Abnormal end, or DISCONNECT 0x04: its will comes once to whoever is entitled. DISCONNECT: not at
 * all; where gateway or NATS were struck around it, nobody can know. Each CONNECT has a will of its
 * own content; what had no CONNACK may be fired, once. The receivers of other roles see the wills.
 * Delay: the will of a stored session comes once its client has been away for the delay, and not at
 *        all when it is back before; where something was struck meanwhile, nobody can know.
 */
import { setTimeout as pass } from 'node:timers/promises';
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import type { Door } from './entrance.ts';
import type { Fate, Publication } from './ledger.ts';
import { MqttConnection } from './mqtt-connection.ts';
import { EXPIRY_SECONDS } from './publisher.ts';
import type { Ground, Role, Verdict } from './role.ts';

const STAY_MS = [300, 3_000] as const;
const AGAIN_MS = 500;
const WITH_WILL = 0x04;
const DELAY_SECONDS = 3;
/** Well above the delay. */
const LONG_AWAY_MS = 6_000;
/** Well below the delay, CONNACK included. */
const SOON_BACK_MS = 1_500;
/** A strike so near leaves it open whether DISCONNECT was read. */
const NEAR_BEFORE_MS = 12_000;
const NEAR_AFTER_MS = 20_000;

interface Terms {
  readonly version: Version;
  readonly name: string;
  readonly delaySeconds?: number;
  readonly onOpen?: () => void;
}

export class WillsRole implements Role {
  readonly name = 'wills';
  readonly #ground: Ground;
  readonly #actors: Promise<void>[] = [];
  readonly #wakes = new Set<() => void>();
  /** Taken back by DISCONNECT: judged when the whole history is known. */
  readonly #takenBack: { publication: Publication; door: Door; atMs: number }[] = [];
  #running = 0;
  #isSettling = false;
  #connections = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  start(): Promise<void> {
    const versions: readonly Version[] = [5, 4];
    for (const version of versions) this.#actors.push(this.#act(version));
    if (this.#ground.isOn('stored')) this.#actors.push(this.#actDelayed());
    return Promise.resolve();
  }

  settle(): void {
    this.#isSettling = true;
    for (const wake of this.#wakes) wake();
    this.#judgeTakenBack();
  }

  owed(): number {
    return this.#running;
  }

  judge(): Verdict {
    this.#judgeTakenBack();
    const { wills } = this.#ground.ledger;
    const entitled = wills.filter(({ fate }) => fate === 'acknowledged').length;
    const row = { who: 'wills', lives: wills.length, connections: this.#connections, entitled };
    const none = { received: 0, lost: 0, duplicates: 0, excused: 0, outOfOrder: 0 };
    return { sums: [{ ...row, ...none }], broken: [] };
  }

  async close(): Promise<void> {
    this.settle();
    await Promise.all(this.#actors);
  }

  async #act(version: Version): Promise<void> {
    this.#running += 1;
    const { run, entrance } = this.#ground;
    const name = `${run}-will-v${version}`;
    while (!this.#isSettling) {
      await this.#liveOnce({ version, name }, entrance.pick(name));
      await this.#pass(AGAIN_MS);
    }
    this.#running -= 1;
  }

  /** Every end is abnormal; each is decided when the next connection stands, or when none comes. */
  async #actDelayed(): Promise<void> {
    this.#running += 1;
    const { run, entrance, random, ledger, history } = this.#ground;
    const name = `${run}-will-delayed`;
    let last: Publication | undefined;
    const decide = (): void => {
      const endMs = last?.settledMs;
      if (last?.fate !== 'unsure' || endMs === undefined) return;
      const nowMs = performance.now();
      const awayMs = nowMs - endMs;
      const isClear = awayMs < SOON_BACK_MS || awayMs >= LONG_AWAY_MS;
      if (!isClear || !history.wasCalm(endMs - NEAR_BEFORE_MS, nowMs)) return;
      ledger.settle(last, awayMs < SOON_BACK_MS ? 'refused' : 'acknowledged');
    };
    while (!this.#isSettling) {
      const terms = { version: 5, name, delaySeconds: DELAY_SECONDS, onOpen: decide } as const;
      last = (await this.#liveOnce(terms, entrance.pick(name))) ?? last;
      if (!this.#isSettling && random() < 0.5) await pass(LONG_AWAY_MS);
    }
    await pass(LONG_AWAY_MS);
    decide();
    this.#running -= 1;
  }

  /** → its will, when it had CONNACK. */
  async #liveOnce(terms: Terms, door: Door): Promise<Publication | undefined> {
    const { run, ledger, random } = this.#ground;
    const { version, name, delaySeconds = 0 } = terms;
    const topic = `${run}/live/will/${delaySeconds > 0 ? 'delayed' : version}`;
    const publication = ledger.add({ kind: 'will', publisher: name, topic, qos: 1 });
    const settle = (fate: Exclude<Fate, 'open'>): void => {
      if (publication.fate === 'open') ledger.settle(publication, fate);
    };
    let wake = (): void => undefined;
    try {
      const connection = await MqttConnection.open({
        ...{ ...door, version, clientIdentifier: name, willDelaySeconds: delaySeconds },
        expirySeconds: delaySeconds > 0 ? EXPIRY_SECONDS : 0,
        will: { topic, payload: Buffer.from(ledger.content(publication)), qos: 1 },
        events: {
          onOpen: () => {
            this.#connections += 1;
            terms.onOpen?.();
          },
          onPublish: () => undefined,
          onAck: () => undefined,
          onEnd: () => {
            settle(delaySeconds > 0 ? 'unsure' : 'acknowledged');
            wake();
          },
        },
      });
      const [least, most] = STAY_MS;
      await this.#pass(least + random() * (most - least), (waker) => (wake = waker));
      if (publication.fate !== 'open') return publication;
      if (delaySeconds === 0) this.#end(connection, publication, door);
      else {
        connection.destroy();
        settle('unsure');
      }
      return publication;
    } catch {
      // CONNECT may have arrived: its will may be fired.
      settle('unsure');
      return undefined;
    }
  }

  #end(connection: MqttConnection, publication: Publication, door: Door): void {
    const { ledger, random } = this.#ground;
    const way = random();
    if (way < 0.5) {
      connection.destroy();
      ledger.settle(publication, 'acknowledged');
    } else if (way < 0.7 && connection.options.version === 5) {
      connection.disconnect(WITH_WILL);
      ledger.settle(publication, 'acknowledged');
    } else {
      connection.disconnect();
      ledger.settle(publication, 'unsure');
      this.#takenBack.push({ publication, door, atMs: performance.now() });
    }
  }

  #judgeTakenBack(): void {
    const { history, ledger, cluster } = this.#ground;
    const servers = Object.keys(cluster.pids()).filter((name) => name.startsWith('nats'));
    for (const { publication, door, atMs } of this.#takenBack.splice(0)) {
      const wasStruck = [door.gateway, ...servers].some((name) =>
        history.wasStruck(name, atMs - NEAR_BEFORE_MS, atMs + NEAR_AFTER_MS),
      );
      if (!wasStruck) ledger.settle(publication, 'refused');
    }
  }

  #pass(ms: number, onWaker: (wake: () => void) => void = () => undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#wakes.add(wake);
      onWaker(wake);
    });
  }
}

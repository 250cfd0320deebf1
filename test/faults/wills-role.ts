/**
 * Wills role — clients with a will who come, stay for a while and end in every way there is.
 *
 * Abnormal end, or DISCONNECT 0x04: its will comes once to whoever is entitled. DISCONNECT: not at
 * all; where gateway or NATS were struck around it, nobody can know. Each CONNECT has a will of its
 * own content; what had no CONNACK may be fired, once. The receivers of other roles see the wills.
 */
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import type { Door } from './entrance.ts';
import type { Fate, Publication } from './ledger.ts';
import { MqttConnection } from './mqtt-connection.ts';
import type { Ground, Role, Verdict } from './role.ts';

const STAY_MS = [300, 3_000] as const;
const AGAIN_MS = 500;
const WITH_WILL = 0x04;
/** A strike so near leaves it open whether DISCONNECT was read. */
const NEAR_BEFORE_MS = 12_000;
const NEAR_AFTER_MS = 20_000;

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
      await this.#liveOnce(version, name, entrance.pick(name));
      await this.#pass(AGAIN_MS);
    }
    this.#running -= 1;
  }

  async #liveOnce(version: Version, name: string, door: Door): Promise<void> {
    const { run, ledger, random } = this.#ground;
    const topic = `${run}/live/will/${version}`;
    const publication = ledger.add({ kind: 'will', publisher: name, topic, qos: 1 });
    const settle = (fate: Exclude<Fate, 'open'>): void => {
      if (publication.fate === 'open') ledger.settle(publication, fate);
    };
    let wake = (): void => undefined;
    try {
      const connection = await MqttConnection.open({
        ...{ port: door.port, version, clientIdentifier: name, expirySeconds: 0 },
        will: { topic, payload: Buffer.from(ledger.content(publication)), qos: 1 },
        events: {
          onOpen: () => (this.#connections += 1),
          onPublish: () => undefined,
          onAck: () => undefined,
          onEnd: () => {
            settle('acknowledged');
            wake();
          },
        },
      });
      const [least, most] = STAY_MS;
      await this.#pass(least + random() * (most - least), (waker) => (wake = waker));
      if (publication.fate === 'open') this.#end(connection, publication, door);
    } catch {
      // CONNECT may have arrived: its will may be fired.
      settle('unsure');
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

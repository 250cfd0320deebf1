/**
 * Subscriber — a client that subscribes one filter, with a habit, and keeps its lives.
 *
 * stays:  connects again when its connection ends.
 * leaves: goes away now and then, with DISCONNECT or without a word, and comes back elsewhere.
 * pauses: does not read for a while, acknowledges slowly, takes few at a time.
 * moves:  connects at another gateway while it is connected.
 * Clean sessions begin a life with each connection; stored ones go on with theirs as long as the
 * broker says that the session is present, which it must once a SUBACK was seen.
 */
import type { Random } from '#base';
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import type { Entrance } from './entrance.ts';
import type { FaultHistory } from './fault-history.ts';
import { Inbox } from './inbox.ts';
import type { Ledger } from './ledger.ts';
import { Life } from './life.ts';
import type { LifeKind } from './life.ts';
import { MqttConnection } from './mqtt-connection.ts';
import { EXPIRY_SECONDS } from './publisher.ts';

export type Habit = 'stays' | 'leaves' | 'pauses' | 'moves';

const AGAIN_MS = 200;
const RECEIVE_MAXIMUM = 100;
const SLOW_RECEIVE_MAXIMUM = 10;
/** Ten at a time: enough for the pace of a run, so that what pauses pile up is caught up with. */
const SLOW_ACK_MS = 25;
/** [shortest, longest] of each habit. */
const PRESENT_MS = [1_000, 6_000] as const;
const AWAY_MS = [300, 5_000] as const;
const PAUSE_MS = [200, 3_000] as const;

export interface SubscriberOptions {
  readonly name: string;
  /** Name in the table. */
  readonly role: string;
  readonly ledger: Ledger;
  readonly entrance: Entrance;
  readonly random: Random;
  readonly history: FaultHistory;
  /** As in SUBSCRIBE, `$share/…` included. */
  readonly subscription: string;
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly version: Version;
  readonly isStored: boolean;
  readonly habit: Habit;
  /** Of a shared group with stored members: what all receive together. */
  readonly groupLife?: Life;
}

export class Subscriber {
  readonly options: SubscriberOptions;
  readonly lives: Life[] = [];
  /** Connections that the broker or the network ended. */
  connectionsLost = 0;
  connections = 0;
  readonly #inbox: Inbox;
  readonly #done: Promise<void>;
  #connection: MqttConnection | undefined;
  #gateway: string | undefined;
  /** SUBACK was seen: of a stored session, once; of a clean one, on this connection. */
  #isSubscribed = false;
  #isSettling = false;
  #isClosed = false;
  /** Ends a wait early: connection lost, settling, closing. */
  #wake: () => void = () => undefined;

  constructor(options: SubscriberOptions) {
    this.options = options;
    const isSlow = options.habit === 'pauses';
    const askedMaximum = isSlow ? SLOW_RECEIVE_MAXIMUM : RECEIVE_MAXIMUM;
    this.#inbox = new Inbox(this.#newLife(), {
      // 3.1.1 cannot ask.
      receiveMaximum: options.version === 5 ? askedMaximum : 65_535,
      ackDelayMs: isSlow ? SLOW_ACK_MS : 0,
    });
    this.#done = this.#run();
  }

  /** The life that is lived now. */
  get life(): Life {
    return this.#inbox.life;
  }

  /** Its subscription stands and its connection is open. */
  get isPresent(): boolean {
    return this.#connection?.isOpen === true && this.#isSubscribed;
  }

  /** Comes back and gives its habit up. */
  settle(): void {
    this.#isSettling = true;
    this.#inbox.options.ackDelayMs = 0;
    this.#connection?.resume();
    this.#wake();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection?.destroy();
    this.#wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      if (!this.isPresent && !(await this.#connect())) {
        await this.#pass(AGAIN_MS);
        continue;
      }
      if (this.#isSettling || this.options.habit === 'stays') await this.#pass(Infinity);
      else await this.#live();
    }
  }

  /** One turn of the habit. */
  async #live(): Promise<void> {
    const connection = this.#connection;
    const { habit, random } = this.options;
    await this.#pass(this.#between(habit === 'pauses' ? PAUSE_MS : PRESENT_MS));
    if (connection === undefined || connection !== this.#connection) return;
    if (this.#isSettling || this.#isClosed) return;
    if (habit === 'moves') {
      await this.#connect();
      return;
    }
    if (habit === 'pauses') {
      connection.pause();
      await this.#pass(this.#between(PAUSE_MS));
      connection.resume();
      return;
    }
    const isOrderly = random() < 0.5;
    this.#note(isOrderly ? 'leaves with DISCONNECT' : 'leaves without a word');
    if (isOrderly) connection.disconnect();
    else connection.destroy();
    this.#connection = undefined;
    this.#endCleanLife();
    await this.#pass(this.#between(AWAY_MS));
  }

  /** Whether it has a connection with its subscription then. */
  async #connect(): Promise<boolean> {
    const { name, entrance, version, isStored } = this.options;
    const door = entrance.pick(name, this.#gateway);
    this.#gateway = door.gateway;
    try {
      const connection = await MqttConnection.open({
        ...{ ...door, version, clientIdentifier: name },
        expirySeconds: isStored ? EXPIRY_SECONDS : 0,
        receiveMaximum: this.#inbox.options.receiveMaximum,
        events: {
          onOpen: (opened) => this.#use(opened),
          onPublish: (packet, from) => this.#inbox.publish(packet, from),
          onAck: (kind, identifier, _code, from) => this.#inbox.ack(kind, identifier, from),
          onEnd: (reason, from) => this.#lost(from, reason),
        },
      });
      if (!this.#isSubscribed) await this.#subscribe(connection);
    } catch {
      // Not there, not yet, or lost again: the next one.
    }
    return this.isPresent;
  }

  async #subscribe(connection: MqttConnection): Promise<void> {
    const { subscription, qos, groupLife } = this.options;
    const codes = await connection.subscribe(subscription, qos);
    if (connection !== this.#connection) return;
    if (codes?.[0] === qos) {
      this.#isSubscribed = true;
      this.life.begin();
      groupLife?.begin();
      return;
    }
    const told = codes === undefined ? 'no SUBACK' : `SUBACK ${codes.join(' ')}`;
    this.life.fault('stuck', `${told} at ${this.#gateway}`);
    connection.destroy();
    this.#lost(connection);
  }

  #use(connection: MqttConnection): void {
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    this.connections += 1;
    const before = this.#connection;
    this.#connection = connection;
    const { sessionPresent } = connection.connack;
    const present = sessionPresent ? ', session present' : '';
    const from = before?.isOpen === true ? ' while it is connected' : '';
    this.#note(`is at ${connection.options.gateway}${present}${from}`);
    before?.destroy();
    this.#judgeSession(sessionPresent);
    this.#inbox.use(connection, sessionPresent);
  }

  #judgeSession(sessionPresent: boolean): void {
    const { isStored } = this.options;
    if (!isStored) {
      this.#endCleanLife();
      if (sessionPresent) this.life.fault('session', 'a clean session is present');
    } else if (!sessionPresent && this.#isSubscribed) {
      this.life.fault('session', `the session is gone at ${this.#gateway}`);
      this.#isSubscribed = false;
      if (this.options.groupLife !== undefined) return;
      this.life.end();
      this.#inbox.life = this.#newLife();
    }
  }

  #endCleanLife(): void {
    if (this.options.isStored) return;
    this.#isSubscribed = false;
    if (this.life.sinceMs === Infinity && this.life.received === 0) return;
    this.life.end();
    this.#inbox.life = this.#newLife();
  }

  #newLife(): Life {
    const { groupLife, isStored, name, filter, qos, ledger } = this.options;
    if (groupLife !== undefined) return groupLife;
    const kind: LifeKind = isStored ? 'stored' : 'clean';
    const life = new Life({ kind, name, filter, qos, ledger });
    this.lives.push(life);
    return life;
  }

  #note(text: string): void {
    this.options.history.note(this.options.name, text);
  }

  #lost(connection: MqttConnection, reason?: number): void {
    if (connection !== this.#connection) return;
    const why = reason === undefined ? '' : `, DISCONNECT ${reason}`;
    this.#note(`lost ${connection.options.gateway}${why}`);
    this.connectionsLost += 1;
    this.#connection = undefined;
    this.#endCleanLife();
    this.#wake();
  }

  #between([least, most]: readonly [number, number]): number {
    return least + this.options.random() * (most - least);
  }

  async #pass(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}

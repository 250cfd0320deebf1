/**
 * Stay partition — one stored session connected here, in one partition (docs/adr/0012, S4–S9).
 *
 * Modes: reading: its owner files for it, the queue is read page by page. asking: the queue was
 *        read to its end, X is asked for. draining: X is known; the rest of the queue up to X is
 *        read, what comes live above X is held. live: ranges are handed out. refiling: it takes too
 *        slowly; its owner was asked to file again from `from` on, after which it is reading.
 * Order: everything up to `readTo` was handed out or passed over, nothing above it; so each
 *        position is handed out once, ascending, whatever is repeated, late or of another owner.
 * Cost:  a live message is a comparison or two and a slot of the ring; nothing is allocated.
 * Full:  no capacity at its client, or too much held → refiling.
 */
import type { QueuePageReader } from '#frames';
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import { ConsumedReport } from './consumed-report.ts';
import { HandedRing } from './handed-ring.ts';
import { HeldMessages } from './held-messages.ts';
import { INHERITED_QOS2, InheritedIdentifiers } from './inherited-identifiers.ts';
import { ASK_AGAIN_MS } from './owner-link.ts';
import type { Delivery } from './port.ts';
import type { QueueAsker } from './queue-desk.ts';
import {
  HELD_BYTES_ALL_MAX,
  HELD_BYTES_MAX,
  LAG_MS,
  LOOK_AGAIN_MS,
  type Match,
  type RefilingCause,
  type StayHost,
  type StayMode,
  type StayTerms,
} from './stay-host.ts';

/** Of a message sent before, which no subscription asks for at QoS ≥ 1 any more. */
const SENT_BEFORE: Match = {
  qos: 1,
  delivery: { retainAsPublished: false, subscriptionIdentifiers: [], retained: false },
};

export class StayPartition implements QueueAsker {
  readonly stay: StayTerms;
  readonly partition: number;
  readonly ring = new HandedRing();
  readonly inherited = new InheritedIdentifiers();
  readonly consumed: ConsumedReport;
  mode: StayMode = 'reading';
  /** Number of the last `live` or `file`, unlike all others of this gateway. */
  turn = 0;
  /** X: live above it. Counts in draining and live. */
  x: Position = 0;
  /** Refiling: filed again above it. */
  from: Position = 0;
  readTo: Position;
  request = 0;
  pageAskedAtMs = 0;
  inLine = false;
  /** The host knows it as one that wants attention. */
  isAttended = false;

  readonly #host: StayHost;
  /** Acknowledged before this stay. */
  readonly #base: Position;
  readonly #held = new HeldMessages();
  /**
   * Asking: pages reach up to here. It counts only once X is known: the owner may have granted
   * already, then what lies above X is in no page.
   */
  #coveredTo: Position = 0;
  /** Asking: the queue was read to its end since. */
  #sawEnd = false;
  #askedAtMs = 0;
  #lookAtMs = 0;
  /** Lowest open live position when it was looked at last, and since when it is. */
  #openAt: Position = Infinity;
  #openSinceMs = 0;
  /** It lagged with this one open: not live again before that is acknowledged. */
  #lagged: Position = -1;

  constructor(host: StayHost, stay: StayTerms, partition: number, cursor: Position) {
    this.#host = host;
    this.stay = stay;
    this.partition = partition;
    this.#base = cursor;
    this.readTo = cursor;
    this.consumed = new ConsumedReport(cursor);
  }

  get heldBytes(): number {
    return this.#held.bytes;
  }
  /** Nothing to do, nothing open: it counts for nothing in floor and ticks. */
  get isIdle(): boolean {
    const isQuiet = this.mode === 'live' && this.ring.isEmpty && this.#held.isEmpty;
    return isQuiet && this.consumed.isTold(Infinity);
  }
  /** Whether its owner has it live, as far as is known here (S8). */
  get isLive(): boolean {
    return this.mode === 'draining' || this.mode === 'live';
  }

  /** The stay begins. `isNew`: a session without a queue, which need not be read first. */
  begin(isNew: boolean, nowMs: number): void {
    this.#host.attend(this);
    if (isNew) this.#askLive(nowMs);
    this.pump(nowMs);
  }

  /** A live message that matches. In any mode but live and draining it is, or will be, queued. */
  offer(position: Position, view: PublishView, qos: 1 | 2, delivery: Delivery): void {
    if (this.mode === 'live') {
      if (position <= this.readTo) return;
      // In order: also what is done has to wait for what is held.
      if (!this.#held.isEmpty || this.#isHeldBack) return this.#hold(position, view);
      if (this.#isDone(position)) return;
      if (!this.stay.client.hasCapacity) return this.#refile('slow', position);
      this.#handOut(position, view, qos, delivery);
      if (!this.inherited.isEmpty) this.#freePassed();
    } else if (this.mode === 'draining' && position > this.x && position > this.readTo) {
      this.#hold(position, view);
    }
  }

  /** Retained messages of this partition go to the client first, as before its queue. */
  get #isHeldBack(): boolean {
    return this.stay.client.hold?.holds(this.partition) === true;
  }

  holdEnded(nowMs: number): void {
    if (this.mode === 'live') this.#releaseHeld();
    else this.pump(nowMs);
  }

  settled(sequence: number): void {
    if (!this.ring.settle(sequence)) return;
    // There may be room for a page now.
    if (this.mode !== 'live' && this.request === 0) this.pump(this.#host.nowMs());
  }

  // —— the queue

  /** Asks for the next page if one is wanted and there is room for it. */
  pump(nowMs: number): void {
    const { stay, mode } = this;
    if (stay.ended || mode === 'live' || mode === 'refiling') return;
    if (mode === 'asking' && this.#sawEnd) return;
    const { desk } = this.#host;
    if (this.request !== 0) return desk.repeat(this, nowMs);
    if (this.inLine || nowMs < this.#lookAtMs) return;
    if (stay.client.hasRoom && !this.#isHeldBack) desk.ask(this, nowMs);
  }

  /** The answer to the outstanding request. */
  onPage(page: QueuePageReader, nowMs: number): void {
    let isWhole = !this.#isHeldBack;
    while (isWhole && page.next()) {
      const { position } = page;
      if (position <= this.readTo) continue;
      isWhole = this.#show(position, page.view);
      if (this.stay.ended) return;
      if (isWhole) this.consumed.queued(position);
    }
    this.#host.desk.finish(this, nowMs);
    if (isWhole) this.#reached(page.upTo, page.last, nowMs);
    this.#freePassed();
    this.pump(nowMs);
  }

  /** A page was taken whole: everything queued up to `upTo` has come. */
  #reached(upTo: Position, isEnd: boolean, nowMs: number): void {
    switch (this.mode) {
      case 'reading':
        this.readTo = Math.max(this.readTo, upTo);
        if (isEnd) this.#atEnd(nowMs);
        return;
      case 'asking':
        this.#coveredTo = Math.max(this.#coveredTo, upTo);
        this.#sawEnd ||= isEnd;
        return;
      case 'draining':
        this.readTo = Math.max(this.readTo, Math.min(upTo, this.x));
        if (upTo >= this.x) this.#goLive();
        else if (isEnd) this.#lookAtMs = nowMs + LOOK_AGAIN_MS;
        return;
      case 'live':
      case 'refiling': // no page is outstanding
    }
  }

  #atEnd(nowMs: number): void {
    if (this.stay.client.hasRoom && this.ring.lowest > this.#lagged) this.#askLive(nowMs);
    else this.#lookAtMs = nowMs + LOOK_AGAIN_MS;
  }

  #freePassed(): void {
    this.inherited.freeUpTo(this.readTo, this.stay);
  }

  // —— live

  /** The next page is asked for together with X: mostly it brings what is left up to X. */
  #askLive(nowMs: number): void {
    this.mode = 'asking';
    this.turn = this.#host.newTurn();
    this.#coveredTo = this.readTo;
    this.#sawEnd = false;
    this.#askedAtMs = nowMs;
    this.#host.ask(this);
  }

  /** X is known (S4). */
  granted(turn: number, x: Position, nowMs: number): void {
    if (this.mode !== 'asking' || turn !== this.turn) return;
    this.x = x;
    this.mode = 'draining';
    this.#openAt = Infinity;
    if (this.#coveredTo >= x || this.readTo >= x) {
      this.#host.desk.finish(this, nowMs);
      this.#goLive();
    } else this.pump(nowMs);
  }

  #goLive(): void {
    this.mode = 'live';
    this.readTo = Math.max(this.readTo, this.x);
    this.#freePassed();
    this.#releaseHeld();
  }

  #releaseHeld(): void {
    if (this.#isHeldBack) return;
    const host = this.#host;
    host.heldBytes -= this.#held.bytes;
    this.#held.release(host.heldView, (position) => {
      if (this.stay.ended || this.mode !== 'live') return false;
      if (position <= this.readTo || this.#show(position, host.heldView)) return true;
      this.#refile('slow', position);
      return false;
    });
  }

  #hold(position: Position, view: PublishView): void {
    const host = this.#host;
    host.heldBytes += this.#held.push(position, view);
    host.attend(this);
    if (this.#held.bytes > HELD_BYTES_MAX || host.heldBytes > HELD_BYTES_ALL_MAX) {
      this.#refile('held', Infinity);
    }
  }

  /** Matches anew and hands out. False: no room for it; it has to come again. */
  #show(position: Position, view: PublishView): boolean {
    if (this.#isDone(position)) return true;
    const host = this.#host;
    const wasSent = this.inherited.has(position);
    // What was sent before does not expire any more.
    const isExpired = !wasSent && host.hasExpired(view);
    if (isExpired) host.expired++;
    const found = isExpired ? undefined : host.match(this, view, position);
    // What has begun is completed, whatever is subscribed now [MQTT-3.10.4-3], [MQTT-4.4.0-1].
    const match = wasSent && (found?.qos ?? 0) === 0 ? SENT_BEFORE : found;
    const qos = match === undefined || view.qos < match.qos ? view.qos : match.qos;
    // Subscriptions with QoS 0 had it when it was published.
    if (match === undefined || qos === 0) {
      this.readTo = position;
      return true;
    }
    if (!this.stay.client.hasCapacity) return false;
    this.#handOut(position, view, qos, match.delivery);
    return true;
  }

  /** An earlier connection has delivered it. */
  #isDone(position: Position): boolean {
    if (this.inherited.isEmpty || !this.inherited.passDone(position)) return false;
    this.readTo = position;
    return true;
  }

  #handOut(position: Position, view: PublishView, qos: 1 | 2, delivery: Delivery): void {
    const { client } = this.stay;
    const host = this.#host;
    this.readTo = position;
    host.delivered++;
    const ticket = this.ring.push(position) * host.partitions + this.partition;
    if (!this.isAttended) host.attend(this);
    const inherited = this.inherited.isEmpty ? 0 : this.inherited.take(position);
    if (inherited === 0) client.deliver(view, qos, delivery, ticket, 0);
    // As it was begun, whatever was granted meanwhile: its home knows it if it was QoS 2.
    else if (inherited < INHERITED_QOS2) client.deliver(view, 1, delivery, ticket, inherited);
    else client.deliver(view, 2, delivery, ticket, inherited - INHERITED_QOS2);
  }

  // —— filed again (S5)

  /** `next`: lowest position that has come and was not handed out; Infinity: none. */
  #refile(cause: RefilingCause, next: Position): void {
    const host = this.#host;
    const nowMs = host.nowMs();
    host.refilings[cause]++;
    this.from = Math.min(this.#lowestOpen, next) - 1;
    // What is open above X will stand in the queue, too, below where reading goes on.
    this.consumed.queued(this.readTo);
    this.mode = 'refiling';
    this.turn = host.newTurn();
    this.#askedAtMs = nowMs;
    this.#dropHeld();
    host.desk.finish(this, nowMs);
    if (!this.isAttended) host.attend(this);
    host.ask(this);
  }

  filed(turn: number, nowMs: number): void {
    if (this.mode !== 'refiling' || turn !== this.turn) return;
    this.mode = 'reading';
    this.#lookAtMs = 0;
    this.pump(nowMs);
  }

  /** Lowest position above X that is not acknowledged, held ones too; Infinity: none. */
  get #lowestOpen(): Position {
    return Math.min(this.ring.lowestAbove(this.x), this.#held.first);
  }

  #dropHeld(): void {
    this.#host.heldBytes -= this.#held.bytes;
    this.#held.clear();
  }

  // —— by the clock

  tick(nowMs: number): void {
    if (this.mode === 'asking' || this.mode === 'refiling') {
      if (nowMs - this.#askedAtMs >= ASK_AGAIN_MS) {
        this.#askedAtMs = nowMs;
        this.#host.ask(this);
      }
    } else if (this.isLive) this.#watchLag(nowMs);
    this.pump(nowMs);
  }

  #watchLag(nowMs: number): void {
    const open = this.#lowestOpen;
    if (open === Infinity || open !== this.#openAt) {
      this.#openAt = open;
      this.#openSinceMs = nowMs;
    } else if (nowMs - this.#openSinceMs >= LAG_MS) {
      const handed = this.ring.lowestAbove(this.x);
      this.#lagged = handed === Infinity ? -1 : handed;
      this.#refile('lag', Infinity);
    }
  }

  // —— what owners and home are told

  /**
   * Nothing that it was to get live at or below this is open (S7); Infinity: does not bound.
   *
   * Asking does not bound, though its owner may have granted X and file no more: our own done does
   * it. A range above X carries the answer's number, so it is not taken before the answer is; up to
   * then done ≤ X, and what lies up to X is in the queue.
   */
  get floor(): Position {
    if (this.mode === 'refiling') return this.from;
    return this.isLive ? this.#lowestOpen - 1 : Infinity;
  }

  /** Everything up to here is acknowledged. `done`: everything up to here has come live. */
  cursor(done: Position): Position {
    if (!this.ring.isEmpty) return Math.max(this.#base, this.ring.lowest - 1);
    const isAllOut = this.mode === 'live' && this.#held.isEmpty;
    return isAllOut ? Math.max(this.readTo, done) : this.readTo;
  }

  /** There is a new owner: what its predecessor may have granted is void. */
  ownerChanged(): void {
    this.#coveredTo = this.readTo;
    this.#sawEnd = false;
  }

  /** The new owner takes requests: all that was asked of its predecessor is asked again. */
  ownerBegan(nowMs: number): void {
    this.consumed.again();
    if (!this.isAttended && !this.isIdle) this.#host.attend(this);
    this.#askedAtMs = -Infinity;
    this.pageAskedAtMs = -Infinity;
    if (this.mode !== 'live') this.tick(nowMs);
  }

  /** The stay is over. */
  close(nowMs: number): void {
    this.#dropHeld();
    this.#host.desk.finish(this, nowMs);
  }
}

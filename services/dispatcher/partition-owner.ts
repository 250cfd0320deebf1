/**
 * Partition owner — dispatch of one log partition: the logic that a reader group runs (protocol
 * 16–21, 24, 26–28, for sessions that live as long as their connection).
 *
 * Shape: prepare = hello to every live gateway until all have answered or ended; then records in
 *        log order go to the range sender; between them the gateways' reports and requests.
 * State: per gateway a PartitionLink, the claims of the clients whose home this is: rebuilt from
 *        answers to hello. Retained messages are a table of the state log.
 */
import { decodeRequests, type GatewayMessage, hear, ownerSubject } from '#frames';
import type { GatewayEntry } from '#lease';
import { type Position, sequenceOf } from '#log';
import type { LogRecordView, PartitionContext, PartitionLogic } from '#reader';
import type { DispatchCounters } from './dispatch-counters.ts';
import { windowBytesFor } from './gateway-window.ts';
import { HomeClaims } from './home-claims.ts';
import { OwnerVoice } from './owner-voice.ts';
import { PartitionLink } from './partition-link.ts';
import { RangeSender } from './range-sender.ts';
import { RetainedOwner } from './retained-owner.ts';
import type { RetainedStore } from './retained-store.ts';
import { Stillness } from './stillness.ts';
import type { GatewayLine, LineUser, Switchboard } from './switchboard.ts';
import { TakeOver } from './take-over.ts';

/** The state log unanswered for so long: what stands still may wait for us (protocol 9). */
const STATE_LOG_LATE_MS = 1_000;
/** Decisions about claims in one answer: about 50 KiB. */
const DECISIONS_PER_ANSWER = 500;

/** What bounds an owner's memory; tests hand in smaller ones. */
export interface DispatchLimits {
  readonly tailBytes?: number;
  readonly windowBytes?: number;
}

export class PartitionOwner implements PartitionLogic, LineUser {
  readonly #c: PartitionContext;
  readonly #board: Switchboard;
  readonly #counters: DispatchCounters;
  readonly #limits: DispatchLimits;
  readonly #links = new Map<string, PartitionLink>();
  readonly #sender: RangeSender;
  readonly #voice: OwnerVoice;
  readonly #retained: RetainedOwner;
  readonly #claims: HomeClaims;
  readonly #stillness: Stillness;
  readonly #takeOver: TakeOver;
  readonly #removers: (() => void)[] = [];
  #begun = false;
  #still = false;
  #ended = false;
  #gaveUp = false;

  constructor(
    context: PartitionContext,
    board: Switchboard,
    counters: DispatchCounters,
    limits: DispatchLimits = {},
  ) {
    const { bus, clock, partition: p, epoch } = context;
    this.#c = context;
    this.#board = board;
    this.#counters = counters;
    this.#limits = limits;
    this.#voice = new OwnerVoice(board, p, epoch, () => this.#acts());
    this.#sender = new RangeSender({
      bus,
      clock,
      partition: p,
      epoch,
      board,
      counters,
      start: context.checkpoint,
      tailBytes: limits.tailBytes,
      durableCheckpoint: () => context.state.durableCheckpoint,
      onRetained: (...message) => this.#retained.apply(...message),
      onTrimmed: (incarnation) => this.#endGateway(incarnation, 'needs trimmed records'),
    });
    this.#retained = new RetainedOwner(
      context,
      counters,
      () => this.#sender.position,
      (incarnation, page) => this.#voice.tellPage(incarnation, page),
    );
    this.#claims = new HomeClaims(epoch, ({ incarnation, connection, reason }) =>
      this.#voice.tell(incarnation, { t: 'end', p, epoch, connection, reason }),
    );
    this.#stillness = new Stillness(context.observer, context.stuckBefore);
    this.#takeOver = new TakeOver({
      links: this.#links,
      interest: board.interest,
      hello: (incarnation) => this.#voice.tell(incarnation, { t: 'hello', p, epoch }),
    });
  }

  get ended(): boolean {
    return this.#ended;
  }
  get partition(): number {
    return this.#c.partition;
  }
  get lagRecords(): number {
    return Math.max(0, this.#c.headSequence - sequenceOf(this.#sender.position));
  }
  get retained(): RetainedStore {
    return this.#retained.store;
  }
  get claimCount(): number {
    return this.#claims.size;
  }
  get tailBytes(): number {
    return this.#sender.tailBytes;
  }
  get linksBehind(): number {
    return this.#sender.linksBehind;
  }

  prepare(ready: () => void): void {
    const { bus, partition, leases, clock } = this.#c;
    this.#board.addUser(partition, this);
    this.#removers.push(
      hear(
        bus,
        ownerSubject(partition),
        decodeRequests,
        (messages) => this.#onMessages(messages),
        () => this.#counters.requestsDamaged++,
      ),
      leases.onGateway((incarnation, entry) => this.#onReport(incarnation, entry)),
    );
    const nowMs = clock.nowMs();
    for (const line of this.#board.lines) {
      this.#addLink(line).phase = 'asked';
      this.#stillness.watch(line.incarnation, nowMs, true);
    }
    this.#takeOver.start(() => this.#begin(ready));
    this.#board.planFlush();
  }

  #begin(ready: () => void): void {
    if (this.#ended) return;
    this.#counters.takeOvers++;
    const nowMs = this.#c.clock.nowMs();
    for (const link of this.#links.values()) {
      this.#stillness.watch(link.incarnation, nowMs, false);
      if (link.phase !== 'ready') continue;
      // What it has already is not sent again; X of its new filters lies there, too (protocol 20).
      link.sentTo = Math.max(this.#sender.position, link.done);
      link.effectiveDue = true;
      const held = link.answerParts.flatMap((part) => part ?? []);
      this.#claims.learn(link.incarnation, held);
      link.answerParts = [];
    }
    this.#begun = true;
    this.#board.planFlush();
    ready();
  }

  record({ sequence, payload, writer, after, decidedBefore }: LogRecordView): void {
    const [incarnation = ''] = writer.split('.');
    this.#sender.dispatch({ sequence, payload, incarnation }, after, decidedBefore);
  }

  copySkipped(sequence: number): void {
    this.#sender.passOver(sequence);
  }

  checkpoint(): Position {
    let lowest = this.#sender.position;
    for (const link of this.#links.values()) {
      if (link.phase === 'ready' && link.done < lowest) lowest = link.done;
    }
    return lowest;
  }

  standStill(): void {
    this.#still = true;
  }
  goOn(): void {
    this.#still = false;
    this.#board.planFlush();
  }
  end(): void {
    this.#ended = true;
    for (const remove of this.#removers) remove();
    this.#sender.close();
    this.#board.removeUser(this.#c.partition, this);
  }

  // ---- LineUser

  closeRange(line: GatewayLine): void {
    this.#sender.closeRange(line);
  }

  onJoin(line: GatewayLine): void {
    this.#addLink(line);
    this.#stillness.watch(line.incarnation, this.#c.clock.nowMs(), false);
  }

  onLeave(line: GatewayLine): void {
    const link = this.#links.get(line.incarnation);
    if (link === undefined) return;
    this.#sender.removeLink(link);
    this.#links.delete(line.incarnation);
    this.#claims.gatewayEnded(line.incarnation);
    this.#retained.gatewayEnded(line.incarnation);
    this.#stillness.forget(line.incarnation);
    this.#takeOver.check();
  }

  onInterest(line: GatewayLine): void {
    const link = this.#links.get(line.incarnation);
    if (link === undefined) return;
    link.effectiveDue = true;
    if (this.#begun) this.#board.planFlush();
    else this.#takeOver.check();
  }

  /** Answers about filter versions and claims, behind the ranges of this turn. */
  beforeFlush(): void {
    if (!this.#begun || !this.#acts()) return;
    const { partition: p, epoch } = this.#c;
    for (const link of this.#links.values()) {
      if (link.phase !== 'ready') continue;
      while (link.decisions.length > 0) {
        const decisions = link.decisions.splice(0, DECISIONS_PER_ANSWER);
        this.#voice.tell(link.incarnation, { t: 'claims', p, epoch, decisions });
      }
      if (link.effectiveDue) this.#tellEffective(link);
    }
  }

  #tellEffective(link: PartitionLink): void {
    const { partition: p, epoch } = this.#c;
    link.effectiveDue = false;
    const from = link.answeredVersion;
    const to = this.#board.interest.version(link.incarnation);
    if (to <= from) return;
    const position = Math.max(this.#sender.position, link.sentTo);
    this.#voice.tell(link.incarnation, { t: 'effective', p, epoch, from, to, position });
    link.answeredVersion = to;
  }

  // ---- gateways' reports and requests

  #addLink(line: GatewayLine): PartitionLink {
    const link = new PartitionLink(
      line,
      this.#limits.windowBytes ?? windowBytesFor(this.#c.partitions),
    );
    this.#links.set(line.incarnation, link);
    this.#sender.addLink(link);
    return link;
  }

  #onReport(incarnation: string, entry: GatewayEntry | undefined): void {
    const link = this.#links.get(incarnation);
    if (link === undefined || entry === undefined) return;
    const { partition, clock } = this.#c;
    const { content } = entry;
    const framed = link.phase === 'ready';
    const done = content.done[partition] ?? -1;
    if (framed && done > link.done) {
      link.done = done;
      this.#sender.taken(link, done);
    }
    const heard = content.heard[partition] ?? 0;
    const unanswered = content.unanswered[partition] ?? false;
    const progress = { done, heard, unanswered, sentTo: link.sentTo, framed };
    this.#stillness.reported(incarnation, progress, clock.nowMs());
  }

  #onMessages(messages: readonly GatewayMessage[]): void {
    if (!this.#acts()) return;
    for (const message of messages) {
      const link = this.#links.get(message.inc);
      if (link === undefined) continue;
      if (message.t === 'answer') this.#onAnswer(link, message);
      else if (this.#begun) this.#onRequest(link, message);
    }
    this.#board.planFlush();
  }

  #onAnswer(link: PartitionLink, answer: GatewayMessage & { t: 'answer' }): void {
    if (answer.epoch !== this.#c.epoch || link.phase !== 'asked') return;
    // Identifiers come and go between two answers: their parts are not mixed.
    if (answer.attempt < link.answerAttempt) return;
    if (answer.attempt > link.answerAttempt) {
      link.answerAttempt = answer.attempt;
      link.answerParts = [];
    }
    link.answerParts[answer.part] = answer.ids;
    link.namedVersion = Math.max(link.namedVersion, answer.filterVersion);
    for (let part = 0; part < answer.parts; part++) {
      if (link.answerParts[part] === undefined) return;
    }
    if (answer.done === null) link.phase = 'idle';
    else {
      link.phase = 'ready';
      link.done = answer.done;
      link.answeredVersion = answer.answeredVersion;
    }
    this.#takeOver.check();
  }

  #onRequest(link: PartitionLink, message: GatewayMessage): void {
    if (message.t === 'present') this.#welcome(link);
    if (link.phase !== 'ready') return;
    if ('epoch' in message && message.epoch !== this.#c.epoch) return;
    const { incarnation } = link;
    switch (message.t) {
      case 'claim': {
        const { connection, clientIdentifier: id, authenticationName } = message;
        link.decisions.push(this.#claims.claim(incarnation, connection, id, authenticationName));
        return;
      }
      case 'release': {
        const { connection, clientIdentifier: id } = message;
        link.decisions.push(this.#claims.release(incarnation, connection, id));
        return;
      }
      case 'again':
        this.#sender.again(link, message.from);
        return;
      case 'taken':
        this.#sender.taken(link, message.to);
        return;
      case 'effective':
        link.answeredVersion = Math.min(link.answeredVersion, message.version);
        link.effectiveDue = true;
        this.#board.interest.require(incarnation, message.version + 1);
        return;
      case 'retained':
      case 'enough':
        this.#retained.onRequest(message);
        return;
      case 'present': // welcomed above
      case 'answer': // #onAnswer
    }
  }

  /** A new gateway starts here; asked again it is told the same position (the answer was lost). */
  #welcome(link: PartitionLink): void {
    if (link.welcomedAt === undefined) {
      if (link.phase === 'ready') return;
      const { position } = this.#sender;
      link.phase = 'ready';
      link.welcomedAt = position;
      link.sentTo = position;
      link.done = position;
      link.effectiveDue = true;
      this.#stillness.watch(link.incarnation, this.#c.clock.nowMs(), false);
    } else this.#sender.again(link, link.welcomedAt);
    const { partition: p, epoch } = this.#c;
    this.#voice.tell(link.incarnation, { t: 'welcome', p, epoch, position: link.welcomedAt });
  }

  // ---- what the owner does by the clock

  /** Every 200 ms. */
  beacon(): void {
    if (this.#begun && this.#acts()) this.#sender.beacon(this.#links.values());
  }

  /** Twice a second: repeats what was not answered, looks for gateways that stand still. */
  tick(): void {
    if (!this.#acts()) return;
    if (!this.#begun) this.#takeOver.tick();
    this.#claims.repeatEndings();
    this.#retained.tick();
    if (this.#c.state.unansweredMs > STATE_LOG_LATE_MS) {
      this.#stillness.restart(this.#c.clock.nowMs());
    }
    const verdict = this.#stillness.judge();
    if (verdict.kind === 'fine' || this.#gaveUp) return;
    if (verdict.kind === 'end') {
      for (const inc of verdict.incarnations) this.#endGateway(inc, 'does not move');
    } else {
      this.#gaveUp = true;
      this.#c.giveUp(verdict.incarnations);
    }
  }

  #acts(): boolean {
    return !this.#still && !this.#ended && this.#c.holds();
  }

  #endGateway(incarnation: string, why: string): void {
    this.#counters.gatewaysEnded++;
    this.#c.endGateway(incarnation, why);
  }
}

/**
 * Partition owner — dispatch of one log partition: the logic that a reader group runs (protocol
 * 16–21, 24, 26–28; stored sessions: docs/adr/0012).
 *
 * Shape: prepare = recover the session log, and hello to every live gateway until all have answered
 *        or ended; then the session logs are read up to a mark; then records in log order go to the
 *        range sender; between them the gateways' reports and requests.
 * State: per gateway a PartitionLink, the claims of the clients whose home this is: rebuilt from
 *        answers to hello. Retained messages and what is filed are tables of the state log.
 */
import { decodeRequests, hear, ownerSubject } from '#frames';
import type { GatewayEntry } from '#lease';
import { type Position, sequenceOf } from '#log';
import type { LogRecordView, PartitionContext, PartitionLogic } from '#reader';
import type { DispatchCounters } from './dispatch-counters.ts';
import { GatewayMail } from './gateway-mail.ts';
import { windowBytesFor } from './gateway-window.ts';
import { takeIdentifiers } from './hello-answers.ts';
import { HomeClaims } from './home-claims.ts';
import { OperatorDesk } from './operator-desk.ts';
import { OwnerSessions } from './owner-sessions.ts';
import { OwnerVoice } from './owner-voice.ts';
import { PartitionLink } from './partition-link.ts';
import { RangeSender } from './range-sender.ts';
import { RetainedOwner } from './retained-owner.ts';
import type { RetainedStore } from './retained-store.ts';
import type { SessionBoard } from './session-board.ts';
import type { QueueLimits } from './session-queues.ts';
import { Stillness } from './stillness.ts';
import type { GatewayLine, LineUser, Switchboard } from './switchboard.ts';
import { TakeOver } from './take-over.ts';
import { UndurableLimit } from './undurable-limit.ts';

/** The state log unanswered for so long: what stands still may wait for us (protocol 9). */
const STATE_LOG_LATE_MS = 1_000;
/** Decisions about claims in one answer: about 50 KiB. */
const DECISIONS_PER_ANSWER = 500;

/** What bounds an owner's memory; tests hand in smaller ones. */
export interface DispatchLimits {
  readonly tailBytes?: number;
  readonly windowBytes?: number;
  readonly queue?: QueueLimits;
  /** Sessions that messages are filed for in one turn of the loop. */
  readonly lookedPerTurn?: number;
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
  readonly #sessions: OwnerSessions;
  readonly #stillness: Stillness;
  readonly #takeOver: TakeOver;
  readonly #mail: GatewayMail;
  readonly #removers: (() => void)[] = [];
  #begun = false;
  #still = false;
  #ended = false;
  #gaveUp = false;

  constructor(
    context: PartitionContext,
    board: Switchboard,
    sessionBoard: SessionBoard,
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
      onStored: (...message) => this.#sessions.dispatch(...message),
      onTrimmed: (incarnation) => this.#endGateway(incarnation, 'needs trimmed records'),
    });
    const limit = new UndurableLimit(context);
    this.#retained = new RetainedOwner(
      context,
      limit,
      counters,
      () => this.#sender.position,
      (incarnation, page) => this.#voice.tellPage(incarnation, page),
    );
    this.#claims = new HomeClaims(epoch, ({ incarnation, connection, reason }) =>
      this.#voice.tell(incarnation, { t: 'end', p, epoch, connection, reason }),
    );
    this.#sessions = new OwnerSessions({
      context,
      board: sessionBoard,
      switchboard: board,
      counters,
      links: this.#links,
      sender: this.#sender,
      voice: this.#voice,
      claims: this.#claims,
      limit,
      queueLimits: limits.queue,
      lookedPerTurn: limits.lookedPerTurn,
    });
    this.#stillness = new Stillness(context.observer, context.stuckBefore);
    this.#takeOver = new TakeOver({
      links: this.#links,
      interest: board.interest,
      hello: (incarnation) => this.#voice.tell(incarnation, { t: 'hello', p, epoch }),
    });
    this.#mail = this.#makeMail();
  }

  #makeMail(): GatewayMail {
    const { clock, partition, epoch } = this.#c;
    return new GatewayMail({
      partition,
      epoch,
      clock,
      board: this.#board,
      links: this.#links,
      sender: this.#sender,
      sessions: this.#sessions,
      retained: this.#retained,
      voice: this.#voice,
      stillness: this.#stillness,
      takeOver: this.#takeOver,
      acts: () => this.#acts(),
      hasBegun: () => this.#begun,
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
  get sessions(): OwnerSessions {
    return this.#sessions;
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
    const { bus, partition, leases } = this.#c;
    this.#board.addUser(partition, this);
    this.#removers.push(
      hear(
        bus,
        ownerSubject(partition),
        decodeRequests,
        (messages) => this.#mail.take(messages),
        () => this.#counters.requestsDamaged++,
      ),
      leases.onGateway((incarnation, entry) => this.#onReport(incarnation, entry)),
      this.#operatorDesk().open(),
    );
    for (const line of this.#board.lines) this.#addLink(line).phase = 'asked';
    this.#sessions.prepare(() => {
      this.#watchAsked();
      this.#takeOver.start(() => this.#sessions.sync(() => this.#begin(ready)));
    });
    this.#board.planFlush();
  }

  /** hello is sent from now on; until then nobody can answer it. */
  #watchAsked(): void {
    const nowMs = this.#c.clock.nowMs();
    for (const { incarnation, phase } of this.#links.values()) {
      if (phase === 'asked') this.#stillness.watch(incarnation, nowMs, true);
    }
  }

  #operatorDesk(): OperatorDesk {
    const { bus, partition } = this.#c;
    return new OperatorDesk({
      bus,
      partition,
      claims: this.#claims,
      sessions: this.#sessions,
      acts: () => this.#begun && this.#acts(),
      onDamaged: () => this.#counters.requestsDamaged++,
    });
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
      // Nothing below it is owed; what else is below its floor its next report tells (S7).
      link.floor = this.#c.checkpoint;
      this.#claims.learn(link.incarnation, takeIdentifiers(link));
    }
    this.#sessions.begin();
    this.#begun = true;
    this.#board.planFlush();
    ready();
  }

  record({ sequence, payload, writer, after, decidedBefore, skipped }: LogRecordView): void {
    const [incarnation = ''] = writer.split('.');
    this.#sender.dispatch({ sequence, payload, incarnation }, after, decidedBefore, skipped);
  }

  copySkipped(sequence: number): void {
    this.#sender.passOver(sequence);
  }

  checkpoint(): Position {
    let lowest = Math.min(this.#sender.position, this.#sessions.position);
    for (const { phase, done, floor } of this.#links.values()) {
      if (phase === 'ready') lowest = Math.min(lowest, done, floor);
    }
    return lowest;
  }

  hasSession(generation: number): boolean {
    return this.#sessions.has(generation);
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
    this.#sessions.end();
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
    this.#sessions.gatewayEnded(line.incarnation);
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
    this.#sessions.beforeFlush();
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
    this.#mail.noteFloor(link, content, done);
    const heard = content.heard[partition] ?? 0;
    // Who waits for us before we dispatch is not still: reading session logs may take seconds.
    const isServed = framed && this.#begun;
    const unanswered = this.#begun && (content.unanswered[partition] ?? false);
    const progress = { done, heard, unanswered, sentTo: link.sentTo, framed: isServed };
    this.#stillness.reported(incarnation, progress, clock.nowMs());
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
    this.#sessions.tick();
    if (Math.max(this.#c.state.unansweredMs, this.#sessions.unansweredMs) > STATE_LOG_LATE_MS) {
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

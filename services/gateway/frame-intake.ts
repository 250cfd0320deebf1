/**
 * Frame intake — what owners send to this gateway: ranges of messages and answers, in order.
 *
 * Rules: hello, welcome, effective, claims, end (protocol 16, 17, 19–21); ranges chain (26).
 * Ends:  a damaged frame is counted and ignored: the chain shows the gap.
 */
import { type Clock, Fault } from '#base';
import {
  type FrameSink,
  type HeldIdentifier,
  type OwnerMessage,
  RangeReader,
  readFrame,
} from '#frames';
import type { InterestPublisher } from '#interest';
import type { ClaimTable } from './claim-table.ts';
import type { OwnerLink } from './owner-link.ts';
import type { OwnerMailbox } from './owner-mailbox.ts';
import type { PublishPath } from './publish-path.ts';
import type { SubscribeFlow } from './subscribe-flow.ts';
import type { SubscriptionTable } from './subscription-table.ts';

/** Identifiers in one part of an answer to hello; with usual lengths well below a chunk. */
const IDENTIFIERS_PER_PART = 500;

export interface FrameIntakeOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  readonly links: readonly OwnerLink[];
  readonly table: SubscriptionTable;
  readonly path: PublishPath;
  readonly claims: ClaimTable;
  readonly subscribes: SubscribeFlow;
  readonly interest: InterestPublisher;
  readonly mailbox: OwnerMailbox;
}

export class FrameIntake implements FrameSink {
  framesTaken = 0;
  framesDamaged = 0;
  rangesIgnored = 0;

  readonly #o: FrameIntakeOptions;
  readonly #range = new RangeReader();

  constructor(options: FrameIntakeOptions) {
    this.#o = options;
  }

  take(frame: Buffer): void {
    try {
      readFrame(frame, this.#range, this);
      this.framesTaken++;
    } catch (fault) {
      if (!(fault instanceof Fault) && !(fault instanceof RangeError)) throw fault;
      this.framesDamaged++;
    }
    const { table, links } = this.#o;
    if (table.pending.size > 0) table.settle(links.map((link) => link.done));
  }

  onRange(range: RangeReader): void {
    const link = this.#o.links[range.partition];
    if (link === undefined) return;
    if (link.judge(range, this.#o.clock.nowMs()) === 'ignore') {
      this.rangesIgnored++;
      return;
    }
    const { path } = this.#o;
    const done = link.done ?? 0;
    while (range.next()) {
      if (range.position > done) path.deliver(range.view, range.partition, range.position);
    }
    link.took(range);
  }

  onAnswer(message: OwnerMessage): void {
    const link = this.#o.links[message.p];
    if (link === undefined) return;
    switch (message.t) {
      case 'hello':
        if (link.hello(message.epoch)) this.#answerHello(link);
        return;
      case 'welcome':
        link.welcome(message.epoch, message.position);
        return;
      case 'effective':
        if (link.trusts(message.epoch)) this.#effective(link, message);
        return;
      case 'claims':
        if (!link.trusts(message.epoch)) return;
        for (const decision of message.decisions) this.#o.claims.decided(decision);
        return;
      case 'end':
        if (!link.trusts(message.epoch)) return;
        this.#o.claims.end(message.connection, message.p, message.reason);
    }
  }

  #effective(link: OwnerLink, message: OwnerMessage & { t: 'effective' }): void {
    const { from, to, position } = message;
    const before = link.answeredVersion;
    const nowMs = this.#o.clock.nowMs();
    if (!link.effective(from, to, nowMs)) return;
    this.#o.table.effective(link.partition, before, to, position);
    this.#o.subscribes.check(nowMs);
  }

  #answerHello(link: OwnerLink): void {
    const { claims, interest, incarnation: inc, mailbox } = this.#o;
    const held = claims.heldIn(link.partition);
    const parts = Math.max(1, Math.ceil(held.length / IDENTIFIERS_PER_PART));
    for (let part = 0; part < parts; part++) {
      const first = part * IDENTIFIERS_PER_PART;
      const ids: readonly HeldIdentifier[] = held.slice(first, first + IDENTIFIERS_PER_PART);
      mailbox.send(link.partition, {
        t: 'answer',
        inc,
        epoch: link.epoch,
        done: link.done ?? null,
        filterVersion: interest.version,
        answeredVersion: link.answeredVersion,
        ids,
        part,
        parts,
      });
    }
  }
}

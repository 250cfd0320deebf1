/**
 * Frame intake — what owners send to this gateway: ranges of messages and answers, in order.
 *
 * Rules: hello, welcome, effective, claims, end (protocol 16, 17, 19–21); ranges chain (26).
 * Ends:  a damaged frame is counted and ignored: the chain shows the gap.
 */
import { type Clock, Fault } from '#base';
import {
  CHUNK_BYTES_MAX,
  type ClaimDecision,
  type FrameSink,
  type HeldIdentifier,
  FrameReaders,
  type OwnerMessage,
  type PageReader,
  type RangeReader,
  readFrame,
} from '#frames';
import type { InterestPublisher } from '#interest';
import type { ClaimTable } from './claim-table.ts';
import type { OwnerLink } from './owner-link.ts';
import type { OwnerMailbox } from './owner-mailbox.ts';
import type { PublishPath } from './publish-path.ts';
import type { RetainedFetches } from './retained-fetches.ts';
import type { SubscribeFlow } from './subscribe-flow.ts';
import type { SubscriptionTable } from './subscription-table.ts';

/** Bytes of an identifier in JSON besides its texts; these may double by what is escaped. */
const IDENTIFIER_ENVELOPE_BYTES = 120;

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
  readonly retained: RetainedFetches;
}

export class FrameIntake implements FrameSink {
  framesTaken = 0;
  framesDamaged = 0;
  rangesIgnored = 0;

  readonly #o: FrameIntakeOptions;
  readonly #readers = new FrameReaders();
  /** Answers to hello. */
  #attempts = 0;

  constructor(options: FrameIntakeOptions) {
    this.#o = options;
  }

  take(frame: Buffer): void {
    try {
      readFrame(frame, this.#readers, this);
      this.framesTaken++;
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.framesDamaged++;
    }
    const { table, links } = this.#o;
    table.settle(links);
  }

  onRange(range: RangeReader): void {
    const link = this.#o.links[range.partition];
    if (link === undefined) return;
    if (link.judge(range, this.#o.clock.nowMs()) === 'ignore') {
      this.rangesIgnored++;
      return;
    }
    this.#deliver(link, range);
    link.took(range);
  }

  #deliver(link: OwnerLink, range: RangeReader): void {
    const { path } = this.#o;
    const done = link.done ?? 0;
    let last = done;
    try {
      while (range.next()) {
        const { position } = range;
        if (position <= done) continue;
        path.deliver(range.view, range.partition, position);
        last = position;
      }
    } catch (fault) {
      // Damaged: what was delivered must not come again, the rest is a gap.
      link.done = last;
      throw fault;
    }
  }

  onPage(page: PageReader): void {
    if (this.#o.links[page.partition]?.trusts(page.epoch) !== true) return;
    this.#o.retained.onPage(page, this.#o.clock.nowMs());
  }

  onQueuePage(): void {}

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
        this.#decided(message.decisions);
        return;
      case 'end':
        if (!link.trusts(message.epoch)) return;
        this.#o.claims.end(message.connection, message.p, message.reason);
    }
  }

  #decided(decisions: readonly ClaimDecision[]): void {
    const nowMs = this.#o.clock.nowMs();
    for (const decision of decisions) this.#o.claims.decided(decision, nowMs);
  }

  #effective(link: OwnerLink, message: OwnerMessage & { t: 'effective' }): void {
    const { from, to, position } = message;
    const nowMs = this.#o.clock.nowMs();
    if (!link.effective(from, to, nowMs)) return;
    this.#o.table.effective(link.partition, to, position);
    this.#o.subscribes.checkSoon();
  }

  #answerHello(link: OwnerLink): void {
    const { claims, interest, incarnation: inc, mailbox } = this.#o;
    const parts = inParts(claims.heldIn(link.partition));
    const attempt = ++this.#attempts;
    parts.forEach((ids, part) => {
      mailbox.send(link.partition, {
        t: 'answer',
        inc,
        epoch: link.epoch,
        attempt,
        done: link.done ?? null,
        filterVersion: interest.version,
        answeredVersion: link.answeredVersion,
        ids,
        known: [],
        filed: [],
        fresh: [],
        part,
        parts: parts.length,
      });
    });
  }
}

/** Pieces that fit a message each; one empty piece for nothing. */
function inParts(held: readonly HeldIdentifier[]): readonly (readonly HeldIdentifier[])[] {
  const parts: HeldIdentifier[][] = [];
  let part: HeldIdentifier[] = [];
  let bytes = 0;
  for (const one of held) {
    const { clientIdentifier, authenticationName } = one;
    const texts = Buffer.byteLength(clientIdentifier) + Buffer.byteLength(authenticationName);
    const size = IDENTIFIER_ENVELOPE_BYTES + 2 * texts;
    if (part.length > 0 && bytes + size > CHUNK_BYTES_MAX) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(one);
    bytes += size;
  }
  parts.push(part);
  return parts;
}

/**
 * Frame intake — what owners send to this gateway: ranges of messages and answers, in order.
 *
 * Rules: hello, welcome, effective, claims, end (protocol 16, 17, 19–21); ranges chain (26); live,
 *        filed, seen and pages of queues (docs/adr/0012).
 * Ends:  a damaged frame is counted and ignored: the chain shows the gap.
 */
import { type Clock, Fault } from '#base';
import {
  CHUNK_BYTES_MAX,
  type ClaimDecision,
  type FrameSink,
  type GroupReader,
  type HeldIdentifier,
  type HeldOfGroup,
  FrameReaders,
  type OwnerMessage,
  type PageReader,
  type QueuePageReader,
  type RangeReader,
  readFrame,
} from '#frames';
import type { InterestPublisher } from '#interest';
import type { Position } from '#log';
import type { ClaimTable } from './claim-table.ts';
import type { HomeChanges } from './home-changes.ts';
import type { OutSteps } from './out-steps.ts';
import type { OwnerLink } from './owner-link.ts';
import type { OwnerMailbox } from './owner-mailbox.ts';
import type { PublishPath } from './publish-path.ts';
import type { RetainedFetches } from './retained-fetches.ts';
import type { SeenFlow } from './seen-flow.ts';
import type { SharedGroups } from './shared-groups.ts';
import type { StayTable } from './stay-table.ts';
import type { SubscribeFlow } from './subscribe-flow.ts';
import type { SubscriptionTable } from './subscription-table.ts';

/** Bytes of an identifier in JSON besides its texts; these may double by what is escaped. */
const IDENTIFIER_ENVELOPE_BYTES = 120;
/** Of each kind in one part of an answer; numbers have 17 digits at most: 560 KiB at most. */
const NUMBERS_PER_PART = 8_000;

/** What it fills. */
export interface FrameIntakeParts {
  readonly links: readonly OwnerLink[];
  readonly table: SubscriptionTable;
  readonly path: PublishPath;
  readonly claims: ClaimTable;
  readonly subscribes: SubscribeFlow;
  readonly interest: InterestPublisher;
  readonly mailbox: OwnerMailbox;
  readonly retained: RetainedFetches;
  readonly stays: StayTable;
  readonly shared: SharedGroups;
  readonly changes: HomeChanges;
  readonly outs: OutSteps;
  readonly seen: SeenFlow;
}

export class FrameIntake implements FrameSink {
  framesTaken = 0;
  framesDamaged = 0;
  rangesIgnored = 0;

  readonly #o: FrameIntakeParts;
  readonly #clock: Clock;
  readonly #incarnation: string;
  readonly #readers = new FrameReaders();
  /** Answers to hello. */
  #attempts = 0;

  constructor(parts: FrameIntakeParts, clock: Clock, incarnation: string) {
    this.#o = parts;
    this.#clock = clock;
    this.#incarnation = incarnation;
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
    const wasHeard = link.isHeard;
    const verdict = link.judge(range, this.#clock.nowMs());
    if (!wasHeard && link.isHeard) {
      this.#o.stays.ownerBegan(range.partition);
      this.#o.shared.ownerBegan(range.partition);
    }
    if (verdict === 'ignore') {
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
    this.#o.retained.onPage(page, this.#clock.nowMs());
  }

  onQueuePage(page: QueuePageReader): void {
    if (this.#o.links[page.partition]?.trusts(page.epoch) !== true) return;
    this.#o.stays.onQueuePage(page);
  }

  onGroup(section: GroupReader): void {
    if (this.#o.links[section.partition]?.trusts(section.epoch) !== true) return;
    this.#o.shared.onSection(section);
  }

  onAnswer(message: OwnerMessage): void {
    const link = this.#o.links[message.p];
    if (link === undefined) return;
    switch (message.t) {
      case 'hello':
        this.#hello(link, message.epoch);
        return;
      case 'welcome':
        link.welcome(message.epoch, message.position);
        return;
      default:
        if (link.trusts(message.epoch)) this.#onTrusted(link, message);
    }
  }

  #onTrusted(link: OwnerLink, message: Exclude<OwnerMessage, { t: 'hello' | 'welcome' }>): void {
    const { claims, stays, seen, shared } = this.#o;
    const { partition } = link;
    switch (message.t) {
      case 'effective':
        this.#effective(link, message);
        return;
      case 'claims':
        this.#decided(partition, message.decisions);
        return;
      case 'end':
        claims.end(message.connection, partition, message.reason, this.#clock.nowMs());
        return;
      case 'live': {
        const { number, generation, turn, position } = message;
        // It is part of the chain also where its session has gone.
        if (!link.answer(number, this.#clock.nowMs())) return;
        stays.onLive(partition, generation, turn, position);
        return;
      }
      case 'filed':
        stays.onFiled(partition, message.generation, message.turn);
        return;
      case 'groups':
        shared.heard(partition, message.heard);
        return;
      case 'seen':
        seen.seen(partition, message.home, message.revision);
    }
  }

  #hello(link: OwnerLink, epoch: number): void {
    const isAnother = epoch !== link.epoch;
    if (!link.hello(epoch)) return;
    if (isAnother) {
      this.#o.stays.ownerChanged(link.partition);
      this.#o.shared.ownerChanged(link.partition);
    }
    this.#answerHello(link);
  }

  #decided(home: number, decisions: readonly ClaimDecision[]): void {
    const { claims, changes, stays, outs } = this.#o;
    const nowMs = this.#clock.nowMs();
    for (const decision of decisions) {
      if ('stepped' in decision) outs.stepped(decision.connection, decision.stepped);
      else if ('changed' in decision) {
        stays.learn(home, decision.revision);
        changes.changed(decision.connection, decision.changed, decision.revision);
      } else claims.decided(decision, nowMs);
    }
  }

  #effective(link: OwnerLink, message: OwnerMessage & { t: 'effective' }): void {
    const { from, to, position } = message;
    const nowMs = this.#clock.nowMs();
    if (!link.effective(from, to, nowMs)) return;
    this.#o.table.effective(link.partition, to, position);
    this.#o.subscribes.checkSoon();
  }

  #answerHello(link: OwnerLink): void {
    const { claims, interest, mailbox, stays, shared } = this.#o;
    const inc = this.#incarnation;
    const { filed, fresh } = stays.forHello(link.partition);
    const held = claims.heldIn(link.partition);
    const named = { filed, undecided: claims.undecided(), fresh };
    const parts = inParts(held, named, shared.forHello(link.partition));
    const attempt = ++this.#attempts;
    parts.forEach((content, part) => {
      mailbox.send(link.partition, {
        t: 'answer',
        inc,
        epoch: link.epoch,
        attempt,
        done: link.done ?? null,
        filterVersion: interest.version,
        answeredVersion: link.answeredVersion,
        ...content,
        known: stays.known,
        part,
        parts: parts.length,
      });
    });
  }
}

/** What an answer to hello says about stored sessions. */
interface NamedSessions {
  readonly filed: readonly number[];
  readonly undecided: readonly number[];
  readonly fresh: readonly (readonly [generation: number, position: Position])[];
}

interface AnswerPart extends NamedSessions {
  readonly ids: readonly HeldIdentifier[];
  readonly groups: readonly HeldOfGroup[];
}

/** Pieces that fit a message each; one empty piece for nothing. */
function inParts(
  held: readonly HeldIdentifier[],
  { filed, undecided, fresh }: NamedSessions,
  groupPieces: readonly (readonly HeldOfGroup[])[],
): readonly AnswerPart[] {
  const nothing = { ids: [], filed: [], undecided: [], fresh: [], groups: [] };
  const parts: AnswerPart[] = identifiersInParts(held).map((ids) => ({ ...nothing, ids }));
  for (let i = 0; i < Math.max(filed.length, undecided.length, fresh.length);) {
    const end = i + NUMBERS_PER_PART;
    parts.push({
      ...nothing,
      filed: filed.slice(i, end),
      undecided: undecided.slice(i, end),
      fresh: fresh.slice(i, end),
    });
    i = end;
  }
  for (const groups of groupPieces) parts.push({ ...nothing, groups });
  return parts;
}

function identifiersInParts(held: readonly HeldIdentifier[]): readonly HeldIdentifier[][] {
  let part: HeldIdentifier[] = [];
  const parts = [part];
  let bytes = 0;
  for (const one of held) {
    const { clientIdentifier, authenticationName } = one;
    const texts = Buffer.byteLength(clientIdentifier) + Buffer.byteLength(authenticationName);
    const size = IDENTIFIER_ENVELOPE_BYTES + 2 * texts;
    if (part.length > 0 && bytes + size > CHUNK_BYTES_MAX) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(one);
    bytes += size;
  }
  return parts;
}

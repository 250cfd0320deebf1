/**
 * Gateway mail — takes what gateways say to a partition's owner to whom it concerns.
 *
 * Rule: before the owner has begun only answers to hello count; from gateways that are not ready
 *       only their wish to be welcomed; of another epoch nothing. What is passed over is repeated.
 */
import type { Clock } from '#base';
import type { GatewayMessage } from '#frames';
import type { GatewayReport } from '#lease';
import type { Position } from '#log';
import { takeAnswer } from './hello-answers.ts';
import type { OwnerSessions } from './owner-sessions.ts';
import type { OwnerVoice } from './owner-voice.ts';
import type { PartitionLink } from './partition-link.ts';
import type { RangeSender } from './range-sender.ts';
import type { RetainedOwner } from './retained-owner.ts';
import type { Stillness } from './stillness.ts';
import type { Switchboard } from './switchboard.ts';
import type { TakeOver } from './take-over.ts';

export interface GatewayMailOptions {
  readonly partition: number;
  readonly epoch: number;
  readonly clock: Clock;
  readonly board: Switchboard;
  readonly links: ReadonlyMap<string, PartitionLink>;
  readonly sender: RangeSender;
  readonly sessions: OwnerSessions;
  readonly retained: RetainedOwner;
  readonly voice: OwnerVoice;
  readonly stillness: Stillness;
  readonly takeOver: TakeOver;
  readonly acts: () => boolean;
  readonly hasBegun: () => boolean;
}

export class GatewayMail {
  readonly #o: GatewayMailOptions;

  constructor(options: GatewayMailOptions) {
    this.#o = options;
  }

  take(messages: readonly GatewayMessage[]): void {
    const { acts, links, epoch, takeOver, stillness, hasBegun, board } = this.#o;
    if (!acts()) return;
    for (const message of messages) {
      const link = links.get(message.inc);
      if (link === undefined) continue;
      if (message.t !== 'answer') {
        if (hasBegun()) this.#onRequest(link, message);
      } else if (message.epoch === epoch && takeAnswer(link, message)) {
        stillness.answered(message.inc);
        takeOver.check();
      }
    }
    board.planFlush();
  }

  /** What a report says about stored sessions. */
  noteFloor(link: PartitionLink, { floor, known }: GatewayReport, done: Position): void {
    if (link.phase !== 'ready') return;
    // Behind X the gateway has the answer, or it would have taken no range.
    link.unconfirmed = link.unconfirmed.filter(({ position }) => position >= done);
    link.reported = { floor: floor?.[this.#o.partition] ?? done, known: known ?? [] };
    this.#o.sessions.applyFloor(link);
  }

  #onRequest(link: PartitionLink, message: GatewayMessage): void {
    const { epoch, sessions, sender, board, retained } = this.#o;
    if (message.t === 'present') this.#welcome(link);
    if (link.phase !== 'ready') return;
    if ('epoch' in message && message.epoch !== epoch) return;
    switch (message.t) {
      case 'again':
        sessions.desk.again(link, message.answers);
        sender.again(link, message.from);
        return;
      case 'taken':
        sender.taken(link, message.to);
        return;
      case 'effective':
        link.answeredVersion = Math.min(link.answeredVersion, message.version);
        link.effectiveDue = true;
        board.interest.require(link.incarnation, message.version + 1);
        return;
      case 'retained':
      case 'enough':
        retained.onRequest(message);
        return;
      case 'present': // welcomed above
      case 'answer': // taken above
        return;
      default:
        sessions.onRequest(link, message);
    }
  }

  /** A new gateway starts here; asked again it is told the same position (the answer was lost). */
  #welcome(link: PartitionLink): void {
    const { sender, stillness, clock, voice, partition: p, epoch } = this.#o;
    if (link.welcomedAt === undefined) {
      if (link.phase === 'ready') return;
      const { position } = sender;
      link.phase = 'ready';
      link.welcomedAt = position;
      link.sentTo = position;
      link.done = position;
      link.floor = position;
      link.effectiveDue = true;
      stillness.watch(link.incarnation, clock.nowMs(), false);
    } else sender.again(link, link.welcomedAt);
    voice.tell(link.incarnation, { t: 'welcome', p, epoch, position: link.welcomedAt });
  }
}

/**
 * Partition link — one partition's owner and one gateway: how far it was sent, how far it is.
 *
 * Phases: asked (hello sent, not answered) → ready (answered, or welcomed) ; idle (lives, but has
 *         not asked to be welcomed here). Only ready links are framed and hold the checkpoint.
 * Chain:  ranges cover (sentTo, to], so nothing is skipped silently (protocol 26).
 */
import type { ClaimDecision, GatewayMessage, HeldOfGroup, OwnerMessage } from '#frames';
import { POSITION_START, type Position } from '#log';
import { GatewayWindow } from './gateway-window.ts';
import type { GatewayLine } from './switchboard.ts';

export type LinkPhase = 'idle' | 'asked' | 'ready';

type Answer = Extract<GatewayMessage, { t: 'answer' }>;
type LiveAnswer = Extract<OwnerMessage, { t: 'live' }>;

/** What its answer to hello said about its stored sessions (S8). */
export interface NamedSessions {
  readonly known: readonly number[];
  /** Generations that are not live in this partition. */
  readonly filed: ReadonlySet<number>;
  /** Connections that may have been granted a session without knowing. */
  readonly undecided: ReadonlySet<number>;
  /** X of live ones that may not be durable. */
  readonly fresh: ReadonlyMap<number, Position>;
}

/** A floor that waits for the view (S7). */
interface ReportedFloor {
  readonly floor: Position;
  readonly known: readonly number[];
}

export class PartitionLink {
  readonly line: GatewayLine;
  readonly window: GatewayWindow;
  phase: LinkPhase = 'idle';
  /** Everything up to here was put into the channel (or lies below what the gateway has). */
  sentTo: Position = POSITION_START;
  /** Everything up to here the gateway has, as it answered, was welcomed with, or reports. */
  done: Position = POSITION_START;
  /** Filter versions up to this one were answered. */
  answeredVersion = 0;
  /** Position it was welcomed with, for a repeated request; undefined: it answered a hello. */
  welcomedAt: Position | undefined;
  /** Gets nothing live: it is sent what it missed first. */
  behind = false;
  /** Its filters changed, or it asked: an answer about versions is due. */
  effectiveDue = false;
  /** Answers of the chain sent in this epoch, and those that may not have come (ADR 0012, S4). */
  answersSent = 0;
  unconfirmed: LiveAnswer[] = [];
  /** Nothing that a live session there was to get up to here is unacknowledged (S7). */
  floor: Position = POSITION_START;
  reported: ReportedFloor | undefined;
  readonly decisions: ClaimDecision[] = [];
  /** Which of its answers to hello is being collected, and the parts of it that have come. */
  answerAttempt = 0;
  answerParts: (Answer | undefined)[] = [];
  sessionsNamed: NamedSessions | undefined;
  /** What it named of shared subscriptions (ADR 0013). */
  groupsNamed: readonly HeldOfGroup[] = [];
  /** Filter version named in that answer. */
  namedVersion = 0;

  constructor(line: GatewayLine, windowBytes?: number) {
    this.line = line;
    this.window = new GatewayWindow(windowBytes);
  }

  get incarnation(): string {
    return this.line.incarnation;
  }
  get live(): boolean {
    return this.phase === 'ready' && !this.behind;
  }
}

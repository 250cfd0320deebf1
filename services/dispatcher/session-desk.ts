/**
 * Session desk — what gateways ask of a partition's owner about stored sessions (S4, S5, S9, S10).
 *
 * Shape: requests that can be answered are, at once; `live` waits here until its conditions hold,
 *        `seen` until the view has the revision. A question about a stay that the view does not
 *        have yet, or about a queue that is being filed, waits for that: it is asked right after
 *        CONNECT.
 * Chain: an answer X is one of the numbered answers of its gateway's link; those that the gateway
 *        may have missed are sent again with what it asks for again.
 * Full:  one waiting `live` per session; `seen` per gateway, home and revision; EARLY_MAX early
 *        questions, further ones are asked again.
 */
import type { GatewayMessage, OwnerMessage } from '#frames';
import type { Position } from '#log';
import { homeOfGeneration } from '#session-store';
import type { PartitionLink } from './partition-link.ts';
import type { PartitionSessions } from './partition-sessions.ts';
import type { QueuePages } from './queue-pages.ts';
import type { BoardSession, SessionBoard } from './session-board.ts';
import type { SessionQueues } from './session-queues.ts';

type Of<T extends GatewayMessage['t']> = Extract<GatewayMessage, { t: T }>;

/** Questions that wait for the view, some 200 bytes each: a storm of CONNECTs. */
const EARLY_MAX = 20_000;

type Early = Of<'live'> | Of<'file'> | Of<'queue'>;

interface WaitingSeen {
  readonly request: Of<'seen'>;
  readonly link: PartitionLink;
}

export interface SessionDeskOptions {
  readonly partition: number;
  readonly epoch: number;
  readonly partitions: number;
  readonly board: SessionBoard;
  readonly sessions: PartitionSessions;
  readonly queues: SessionQueues;
  readonly pages: QueuePages;
  readonly tell: (incarnation: string, message: OwnerMessage) => void;
  /** Everything up to here has been dispatched. */
  readonly position: () => Position;
  /** Version of the gateway's filters that is in the index. */
  readonly filterVersion: (incarnation: string) => number;
}

export class SessionDesk {
  liveGranted = 0;
  refiled = 0;
  readonly #o: SessionDeskOptions;
  readonly #live = new Map<BoardSession, { request: Of<'live'>; link: PartitionLink }>();
  #seen: WaitingSeen[] = [];
  /** By gateway, kind and session. */
  #early = new Map<string, { message: Early; link: PartitionLink }>();
  #looksAtEarly = false;

  constructor(options: SessionDeskOptions) {
    this.#o = options;
  }

  onRequest(link: PartitionLink, message: GatewayMessage): void {
    switch (message.t) {
      case 'live':
      case 'file':
      case 'queue':
        if (!this.#take(link, message)) this.#keep(link, message);
        return;
      case 'consumed':
        for (const [generation, upTo] of message.sessions) {
          const session = this.#o.board.session(generation);
          if (session !== undefined) this.#o.queues.consume(session, upTo);
        }
        return;
      case 'seen':
        this.#seen.push({ request: message, link });
        this.#answerSeen();
        return;
      default: // not about sessions
    }
  }

  /** False: it is too early for it. */
  #take(link: PartitionLink, message: Early): boolean {
    const session = this.#sessionOf(link, message);
    if (session === undefined) return this.#isOver(message);
    switch (message.t) {
      case 'live':
        this.#onLive(link, session, message);
        return true;
      case 'file':
        this.#onFile(link, session, message);
        return true;
      case 'queue':
        return this.#o.pages.ask(link.incarnation, session, message.request, message.after);
    }
  }

  /** Whether the view has that stay behind it: it is not answered, the home tells its gateway. */
  #isOver({ generation, stay }: Early): boolean {
    const { board, partitions } = this.#o;
    return board.view.revision(homeOfGeneration(generation, partitions)) >= stay;
  }

  #keep(link: PartitionLink, message: Early): void {
    if (this.#early.size >= EARLY_MAX) return;
    const key = `${link.incarnation} ${message.t} ${message.generation}`;
    this.#early.set(key, { message, link });
  }

  /** What they wait for may have come: they are looked at before the next flush. */
  lookAtEarly(): void {
    this.#looksAtEarly = this.#early.size > 0;
  }

  #takeEarly(): void {
    this.#looksAtEarly = false;
    const early = this.#early;
    this.#early = new Map();
    for (const { link, message } of early.values()) {
      if (!this.#take(link, message)) this.#keep(link, message);
    }
  }

  /** The session, if our view has the stay that the gateway speaks of. */
  #sessionOf(
    { incarnation }: PartitionLink,
    { generation, stay }: { generation: number; stay: number },
  ): BoardSession | undefined {
    const session = this.#o.board.session(generation);
    if (session?.record.stay !== stay) return undefined;
    return session.record.at?.incarnation === incarnation ? session : undefined;
  }

  #onLive(link: PartitionLink, session: BoardSession, request: Of<'live'>): void {
    if (request.turn <= this.#o.sessions.turn(session)) return;
    this.#live.set(session, { request, link });
  }

  #onFile(link: PartitionLink, session: BoardSession, { turn, from }: Of<'file'>): void {
    const { sessions, partition: p, epoch, tell } = this.#o;
    const { generation } = session;
    if (turn > sessions.turn(session)) {
      this.#live.delete(session);
      sessions.answered(session, turn);
      if (sessions.mode(session) === 'live') {
        this.refiled++;
        sessions.refile(session, from);
      } else sessions.staysFiled(session);
    }
    tell(link.incarnation, { t: 'filed', p, epoch, generation, turn });
  }

  /** Behind the ranges of this turn: grants what can be granted. */
  beforeFlush(): void {
    if (this.#looksAtEarly) this.#takeEarly();
    for (const [session, { request, link }] of this.#live) {
      if (this.#sessionOf(link, request) === undefined) this.#live.delete(session);
      else if (this.#mayGrant(session, request, link)) {
        this.#live.delete(session);
        this.#grant(session, request, link);
      }
    }
  }

  #mayGrant(session: BoardSession, { filterVersion }: Of<'live'>, link: PartitionLink): boolean {
    const { sessions, position, filterVersion: versionOf } = this.#o;
    return (
      link.phase === 'ready' &&
      sessions.mode(session) === 'filed' &&
      versionOf(link.incarnation) >= filterVersion &&
      position() >= link.sentTo
    );
  }

  #grant(session: BoardSession, { turn }: Of<'live'>, link: PartitionLink): void {
    const { partition: p, epoch, sessions, tell } = this.#o;
    const { generation } = session;
    const position = sessions.grant(session, turn);
    const number = ++link.answersSent;
    const message = { t: 'live', p, epoch, number, generation, turn, position } as const;
    link.unconfirmed.push(message);
    tell(link.incarnation, message);
    this.liveGranted++;
  }

  /** The gateway has these many answers of the chain: the others are told again. */
  again(link: PartitionLink, answers: number): void {
    for (const message of link.unconfirmed) {
      if (message.number > answers) this.#o.tell(link.incarnation, message);
    }
  }

  /** The view has read on. */
  onRevision(): void {
    if (this.#seen.length > 0) this.#answerSeen();
    this.lookAtEarly();
  }

  #answerSeen(): void {
    const { board, partition: p, epoch, tell } = this.#o;
    const waiting: WaitingSeen[] = [];
    const told = new Set<string>();
    for (const entry of this.#seen) {
      const { home, revision } = entry.request;
      const { incarnation } = entry.link;
      const seen = board.view.revision(home);
      if (seen < revision) waiting.push(entry);
      else if (!told.has(`${incarnation} ${home}`)) {
        told.add(`${incarnation} ${home}`);
        tell(incarnation, { t: 'seen', p, epoch, home, revision: seen });
      }
    }
    this.#seen = waiting;
  }

  sessionEnded(session: BoardSession): void {
    this.#live.delete(session);
  }

  gatewayEnded(incarnation: string): void {
    for (const [session, { link }] of this.#live) {
      if (link.incarnation === incarnation) this.#live.delete(session);
    }
    this.#seen = this.#seen.filter(({ link }) => link.incarnation !== incarnation);
    for (const [key, { link }] of this.#early) {
      if (link.incarnation === incarnation) this.#early.delete(key);
    }
  }
}

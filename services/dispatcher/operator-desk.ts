/**
 * Operator desk — what control asks a partition's owner: who is connected, what waits, end a
 * connection, end a session (proto/wire/frame.md, `operator.<pp>`).
 *
 * Rule: an owner that has not begun, or may not act, does not answer; control asks again.
 * Cost: nothing until asked; each question is a look-up.
 */
import type { Bus } from '#bus';
import {
  decodeOperatorRequest,
  encodeMessage,
  hear,
  type HeldConnection,
  type OperatorAnswer,
  type OperatorRequest,
  operatorSubject,
  type QueueState,
} from '#frames';
import type { Holder, HomeClaims } from './home-claims.ts';
import type { OwnerSessions } from './owner-sessions.ts';
import type { SessionHome } from './session-home.ts';

export interface OperatorDeskOptions {
  readonly bus: Bus;
  readonly partition: number;
  readonly claims: HomeClaims;
  readonly sessions: OwnerSessions;
  /** Has begun, and may act. */
  readonly acts: () => boolean;
  readonly onDamaged: () => void;
}

type Answer<T> = T extends OperatorAnswer ? Omit<T, 'ask' | 'p'> : never;

export class OperatorDesk {
  readonly #o: OperatorDeskOptions;

  constructor(options: OperatorDeskOptions) {
    this.#o = options;
  }

  /** Returns a remover. */
  open(): () => void {
    const { bus, partition, onDamaged } = this.#o;
    const subject = operatorSubject(partition);
    return hear(
      bus,
      subject,
      decodeOperatorRequest,
      (request, { reply }) => {
        if (request !== undefined && reply !== undefined) this.#take(request, reply);
      },
      onDamaged,
    );
  }

  #take(request: OperatorRequest, reply: string): void {
    const { acts, sessions, bus, partition } = this.#o;
    const { home } = sessions;
    if (!acts() || home === undefined) return;
    const answer = (body: Answer<OperatorAnswer>): void => {
      if (acts()) bus.publish(reply, encodeMessage({ ...body, ask: request.ask, p: partition }));
    };
    switch (request.t) {
      case 'locate':
        answer(this.#locate(request.clientIdentifier, home));
        return;
      case 'queue':
        answer({ t: 'queued', queue: this.#queue(request.generation) });
        return;
      case 'disconnect': {
        const { clientIdentifier, incarnation, connection } = request;
        const isThere = this.#o.claims.disconnect(clientIdentifier, { incarnation, connection });
        answer({ t: 'disconnected', done: !isThere });
        return;
      }
      case 'delete': {
        const { clientIdentifier, generation } = request;
        home.delete(clientIdentifier, generation, (done) => {
          const { revision } = home.look(clientIdentifier);
          answer({ t: 'deleted', done, revision });
        });
      }
    }
  }

  #locate(clientIdentifier: string, home: SessionHome): Answer<OperatorAnswer> {
    const { revision, generation = null, inFlight = [] } = home.look(clientIdentifier);
    const holder = this.#o.claims.holder(clientIdentifier);
    return { t: 'located', revision, generation, inFlight, connection: connectionOf(holder) };
  }

  #queue(generation: number): QueueState | null {
    const { board, sessions, queues } = this.#o.sessions;
    const session = board.session(generation);
    if (session === undefined) return null;
    const { slot } = session;
    return {
      mode: sessions.mode(session),
      messages: queues.depth(slot),
      bytes: queues.bytes(slot),
      oldestAtSeconds: queues.oldestAtSeconds(slot) ?? null,
    };
  }
}

function connectionOf(holder: Holder | undefined): HeldConnection | null {
  if (holder === undefined) return null;
  const { incarnation, connection: number, authenticationName } = holder;
  return { incarnation, number, authenticationName };
}

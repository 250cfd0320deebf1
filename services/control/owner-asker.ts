/**
 * Owner asker — asks the owners of partitions, and asks again until one answers
 * (proto/wire/frame.md, `operator.<pp>`).
 *
 * Shape: one inbox; a question has a number that its answers repeat. An answer may be "not yet":
 *        then it is asked again, soon.
 * Why:   a partition may be changing its owner; messages may be lost. A question may come twice.
 * Ends:  at the deadline with ApiFault `unavailable`, which names the partition.
 */
import type { Clock, Timer } from '#base';
import type { Bus } from '#bus';
import {
  decodeOperatorAnswer,
  encodeMessage,
  hear,
  type OperatorAnswer,
  type OperatorRequest,
  operatorSubject,
} from '#frames';
import { ApiFault } from './api-fault.ts';

/** Nobody has answered. */
const ASK_AGAIN_MS = 250;
/** The answer was "not yet". */
const NOT_YET_MS = 50;

type Body<T> = T extends OperatorRequest ? Omit<T, 'ask'> : never;
type AnswerOf<Kind extends OperatorAnswer['t']> = Extract<OperatorAnswer, { t: Kind }>;

interface Question {
  readonly partition: number;
  readonly bytes: Buffer;
  /** False: not yet. */
  readonly take: (answer: OperatorAnswer) => boolean;
  readonly fail: (fault: ApiFault) => void;
  readonly deadlineMs: number;
  timer: Timer | undefined;
  answers: number;
}

export class OwnerAsker {
  answersDamaged = 0;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #open = new Map<number, Question>();
  readonly #unhear: () => void;
  #asked = 0;

  constructor(bus: Bus, clock: Clock) {
    this.#bus = bus;
    this.#clock = clock;
    this.#inbox = bus.inbox();
    this.#unhear = hear(
      bus,
      this.#inbox,
      decodeOperatorAnswer,
      (answer) => {
        if (answer !== undefined) this.#take(answer);
      },
      () => this.answersDamaged++,
    );
  }

  /** `take`: what an answer says; undefined: not yet. `deadlineMs`: of the clock. */
  ask<Kind extends OperatorAnswer['t'], Value>(
    partition: number,
    request: Body<OperatorRequest>,
    kind: Kind,
    take: (answer: AnswerOf<Kind>) => Value | undefined,
    deadlineMs: number,
  ): Promise<Value> {
    return new Promise((resolve, reject) => {
      const ask = ++this.#asked;
      const question: Question = {
        partition,
        bytes: encodeMessage({ ...request, ask }),
        take: (answer) => {
          const value = isOfKind(answer, kind) ? take(answer) : undefined;
          if (value !== undefined) resolve(value);
          return value !== undefined;
        },
        fail: reject,
        deadlineMs,
        timer: undefined,
        answers: 0,
      };
      this.#open.set(ask, question);
      this.#send(ask, question);
    });
  }

  close(): void {
    this.#unhear();
    for (const [ask, question] of this.#open) this.#end(ask, question);
  }

  #send(ask: number, question: Question): void {
    if (this.#clock.nowMs() >= question.deadlineMs) return this.#end(ask, question);
    this.#bus.publish(operatorSubject(question.partition), question.bytes, this.#inbox);
    this.#again(ask, question, ASK_AGAIN_MS);
  }

  #again(ask: number, question: Question, afterMs: number): void {
    if (question.timer !== undefined) this.#clock.cancel(question.timer);
    question.timer = this.#clock.after(afterMs, () => this.#send(ask, question));
  }

  #take(answer: OperatorAnswer): void {
    const question = this.#open.get(answer.ask);
    if (question === undefined || answer.p !== question.partition) return;
    question.answers++;
    if (!question.take(answer)) return this.#again(answer.ask, question, NOT_YET_MS);
    this.#open.delete(answer.ask);
    if (question.timer !== undefined) this.#clock.cancel(question.timer);
  }

  #end(ask: number, question: Question): void {
    this.#open.delete(ask);
    if (question.timer !== undefined) this.#clock.cancel(question.timer);
    const { partition, answers } = question;
    const why =
      answers === 0
        ? 'does not answer: look whether a dispatcher owns it (metric weir_dispatch_owned)'
        : 'has not finished yet, and may still do so: ask again';
    question.fail(new ApiFault('unavailable', `the dispatcher of partition ${partition} ${why}`));
  }
}

function isOfKind<Kind extends OperatorAnswer['t']>(
  answer: OperatorAnswer,
  kind: Kind,
): answer is AnswerOf<Kind> {
  return answer.t === kind;
}

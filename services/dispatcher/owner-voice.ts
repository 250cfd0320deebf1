/**
 * Owner voice — how a partition's owner speaks to a gateway: answers and pages, in order with its
 * ranges, and silence while it may not act.
 */
import type { GroupMessage, OwnerMessage } from '#frames';
import type { QueuePage } from './queue-pages.ts';
import type { RetainedPage } from './retained-pages.ts';
import type { Switchboard } from './switchboard.ts';

export class OwnerVoice {
  readonly #board: Switchboard;
  readonly #partition: number;
  readonly #epoch: number;
  readonly #mayAct: () => boolean;

  constructor(board: Switchboard, partition: number, epoch: number, mayAct: () => boolean) {
    this.#board = board;
    this.#partition = partition;
    this.#epoch = epoch;
    this.#mayAct = mayAct;
  }

  tell(incarnation: string, message: OwnerMessage): void {
    const line = this.#board.line(incarnation);
    if (line === undefined || !this.#mayAct()) return;
    this.#board.channelForAnswer(line).addAnswer(message);
    this.#board.said(line);
  }

  tellGroup(
    incarnation: string,
    number: number,
    group: string,
    entries: readonly GroupMessage[],
  ): void {
    const line = this.#board.line(incarnation);
    if (line === undefined || !this.#mayAct()) return;
    const [partition, epoch] = [this.#partition, this.#epoch];
    this.#board.channelForAnswer(line).addGroup({ partition, epoch, number, group }, entries);
    this.#board.said(line);
  }

  tellQueuePage(incarnation: string, { entries, ...page }: QueuePage): void {
    const line = this.#board.line(incarnation);
    if (line === undefined || !this.#mayAct()) return;
    const [partition, epoch] = [this.#partition, this.#epoch];
    this.#board.channelForAnswer(line).addQueuePage({ partition, epoch, ...page }, entries);
    this.#board.said(line);
  }

  tellPage(incarnation: string, { entries, ...page }: RetainedPage): void {
    const line = this.#board.line(incarnation);
    if (line === undefined || !this.#mayAct()) return;
    const [partition, epoch] = [this.#partition, this.#epoch];
    this.#board.channelForAnswer(line).addPage({ partition, epoch, ...page }, entries);
    this.#board.said(line);
  }
}

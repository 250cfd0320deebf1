/**
 * Take-over — waits until every live gateway has answered this owner's hello (protocol 17).
 *
 * Rule:  all have answered or ended, and the filters of each are known up to the version it named;
 *        only then is the first message dispatched. hello is repeated until answered.
 */
import type { InterestTable } from '#interest';
import type { PartitionLink } from './partition-link.ts';

export interface TakeOverOptions {
  readonly links: ReadonlyMap<string, PartitionLink>;
  readonly interest: InterestTable;
  readonly hello: (incarnation: string) => void;
}

export class TakeOver {
  readonly #o: TakeOverOptions;
  #onAll: (() => void) | undefined;

  constructor(options: TakeOverOptions) {
    this.#o = options;
  }

  start(onAll: () => void): void {
    this.#onAll = onAll;
    this.tick();
    this.check();
  }

  /** Says hello again to who has not answered. */
  tick(): void {
    if (this.#onAll === undefined) return;
    for (const link of this.#o.links.values()) {
      if (link.phase === 'asked') this.#o.hello(link.incarnation);
    }
    this.check();
  }

  check(): void {
    const onAll = this.#onAll;
    if (onAll === undefined) return;
    const { interest } = this.#o;
    for (const { phase, incarnation, namedVersion } of this.#o.links.values()) {
      if (phase === 'asked') return;
      if (phase === 'ready' && interest.version(incarnation) < namedVersion) {
        interest.require(incarnation, namedVersion);
        return;
      }
    }
    this.#onAll = undefined;
    onAll();
  }
}

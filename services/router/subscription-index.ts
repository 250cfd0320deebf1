/**
 * Subscription index — which event subscriptions want a message.
 *
 * Owner: one per router process, shared by its partitions; rebuilt when the registry changes
 *        (event subscriptions are few and change rarely).
 * Keys:  latin1 of the topic's bytes, as `topicKeyOf` makes them; filters are converted alike.
 */
import { topicKeyOf } from '#mqtt';
import type { PublishView } from '#mqtt';
import type { EventSubscription } from '#registry';
import { FilterIndex, topicKey } from '#topics';

const NONE: readonly EventSubscription[] = [];

export class SubscriptionIndex {
  readonly #seed: number;
  #index: FilterIndex;
  #subscriptions: readonly EventSubscription[] = NONE;
  #byName = new Map<string, EventSubscription>();
  #numbers: number[] = [];

  /** `seed`: a random number, so that nobody can prepare filters whose hashes agree. */
  constructor(seed: number) {
    this.#seed = seed;
    this.#index = new FilterIndex({ seed });
  }

  get subscriptions(): readonly EventSubscription[] {
    return this.#subscriptions;
  }

  replace(subscriptions: readonly EventSubscription[]): void {
    this.#index = new FilterIndex({ seed: this.#seed });
    this.#subscriptions = subscriptions;
    this.#byName = new Map(subscriptions.map((known) => [known.name, known]));
    subscriptions.forEach((subscription, number) => {
      for (const filter of subscription.topicFilters) {
        this.#index.add(topicKey(filter), number);
      }
    });
  }

  find(name: string): EventSubscription | undefined {
    return this.#byName.get(name);
  }

  /** True while no message can match. */
  get isEmpty(): boolean {
    return this.#index.filterCount === 0;
  }

  /** Each subscription that wants the message, once. */
  match(view: PublishView): readonly EventSubscription[] {
    const count = this.#index.matchInto(topicKeyOf(view), this.#numbers);
    if (count === 0) return NONE;
    const numbers = new Set(
      count === 1 ? this.#numbers.slice(0, 1) : this.#numbers.slice(0, count),
    );
    const matched: EventSubscription[] = [];
    for (const number of numbers) matched.push(this.#subscriptions[number] as EventSubscription);
    return matched;
  }
}

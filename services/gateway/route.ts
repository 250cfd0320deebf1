/**
 * Route — who on this gateway gets the messages of one topic, with which terms; valid for one
 * generation of the subscription table.
 */
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import { type FilterEntry, startOf, type StayReceiver } from './filter-entry.ts';
import type { Delivery, LocalClient } from './port.ts';

/** QoS 0 has no position: it comes after every known start and before every unknown one. */
export const NO_POSITION: Position = Number.MAX_VALUE;

/** One receiver of one message. */
export interface Target {
  readonly client: LocalClient;
  readonly stay: StayReceiver | undefined;
  /** See TableSubscription. */
  readonly starts: readonly Position[] | undefined;
  readonly waits: true | undefined;
  readonly qos: 0 | 1 | 2;
  /** What the client gets of its own messages, without subscriptions that have No Local. */
  readonly own: Target | undefined;
  readonly delivery: Delivery;
  readonly entry: FilterEntry;
}

export class Route {
  readonly generation: number;
  readonly #targets: readonly Target[];
  /** Some target counts only from a position on: they are not merged yet. */
  readonly #restricted: boolean;

  constructor(generation: number, targets: readonly Target[], restricted: boolean) {
    this.generation = generation;
    this.#targets = targets;
    this.#restricted = restricted;
  }

  get empty(): boolean {
    return this.#targets.length === 0;
  }

  /**
   * Delivers `view`, which stands at `position`, to everybody who is to have it. Returns how many
   * did; what a stay takes it counts itself.
   */
  deliver(view: PublishView, partition: number, position: Position): number {
    const targets = this.#restricted
      ? mergePerClient(this.#targets.filter((t) => counts(t, view.qos, partition, position)))
      : this.#targets;
    let delivered = 0;
    for (let i = 0; i < targets.length; i++) {
      const t = targets[i] as Target;
      const { client } = t;
      const target = view.publisherConnection === client.connectionNumber ? t.own : t;
      if (target === undefined) continue;
      const { delivery } = target;
      const qos = view.qos < target.qos ? view.qos : target.qos;
      if (qos !== 0 && target.stay !== undefined) {
        target.stay.offer(partition, position, view, qos, delivery);
        continue;
      }
      delivered++;
      if (client.hold?.take(partition, position, view, qos, delivery) === true) continue;
      client.deliver(view, qos, delivery, 0, 0);
    }
    return delivered;
  }
}

/** Whether a target is to have a message at this position. */
function counts(t: Target, qos: number, partition: number, position: Position): boolean {
  // Of a stored session: nothing from before the subscription, at whichever gateway it was made.
  if (t.stay !== undefined && startOf(t, t.entry, partition) >= position) return false;
  const isByStay = t.stay !== undefined && t.qos > 0 && qos > 0;
  return isByStay || (t.entry.starts[partition] as number) < position;
}

/** One target per client: highest QoS, all identifiers ([MQTT-3.3.5-1], MQTT 5 §3.3.4). */
export function mergePerClient(targets: readonly Target[]): readonly Target[] {
  const merged = new Map<LocalClient, Target>();
  for (const t of targets) {
    const other = merged.get(t.client);
    merged.set(t.client, other === undefined ? t : mergeTwo(other, t));
  }
  return merged.size === targets.length ? targets : [...merged.values()];
}

export function mergeTwo(a: Target, b: Target): Target {
  const merged = {
    client: a.client,
    stay: a.stay,
    starts: a.starts,
    waits: a.waits,
    qos: a.qos > b.qos ? a.qos : b.qos,
    own: undefined as Target | undefined,
    delivery: {
      retainAsPublished: a.delivery.retainAsPublished || b.delivery.retainAsPublished,
      subscriptionIdentifiers: [
        ...a.delivery.subscriptionIdentifiers,
        ...b.delivery.subscriptionIdentifiers,
      ],
      retained: false,
    },
    entry: a.entry,
  };
  if (a.own === undefined || b.own === undefined) merged.own = a.own ?? b.own;
  else if (a.own === a && b.own === b) merged.own = merged;
  else merged.own = mergeTwo(a.own, b.own);
  return merged;
}

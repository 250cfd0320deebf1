/**
 * Shared routes — which shared subscriptions a topic is for, here or at other gateways; for QoS 0,
 * which its publisher's gateway gives to one member in the cluster (docs/adr/0013).
 *
 * Shape: one index from topic to groups; a group's places are this gateway and the others whose
 *        interest names it.
 */
import type { PublishView } from '#mqtt';
import { FilterIndex, parseShared, topicKey } from '#topics';
import type { LocalClient, Subscription } from './port.ts';
import type { SharedGroups } from './shared-groups.ts';
import type { SharedPacks } from './shared-packs.ts';
import type { SharedMembers } from './subscription-table.ts';

export interface SharedRoute {
  /** `$share/NAME/FILTER`. */
  readonly text: string;
  readonly key: string;
  readonly number: number;
  /** Other gateways with members. */
  readonly peers: Set<string>;
  /** Counts messages, for taking turns among them. */
  turn: number;
}

export const NO_SHARED: readonly SharedRoute[] = [];

export class SharedRoutes implements SharedMembers {
  /** Rises with each change; cached routes of another one are stale. */
  generation = 1;
  readonly #groups: SharedGroups;
  readonly #packs: SharedPacks;
  readonly #index: FilterIndex;
  readonly #byText = new Map<string, SharedRoute>();
  readonly #byNumber: (SharedRoute | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #matched: number[] = [];

  /** `seed`: see FilterIndex; clients choose the filters. */
  constructor(groups: SharedGroups, packs: SharedPacks, seed = 0) {
    this.#groups = groups;
    this.#packs = packs;
    this.#index = new FilterIndex({ seed });
  }

  /** A client of this gateway subscribes, or changes its terms. */
  join(client: LocalClient, terms: Subscription): void {
    this.#groups.join(client, terms);
    this.#route(terms.topicFilter);
  }
  quit(client: LocalClient, text: string): void {
    this.#groups.quit(client, text);
    const route = this.#byText.get(text);
    if (route !== undefined) this.#forgetIfNowhere(route);
  }
  peerNames(text: string, incarnation: string): void {
    this.#route(text)?.peers.add(incarnation);
  }
  peerDrops(text: string, incarnation: string): void {
    const route = this.#byText.get(text);
    if (route?.peers.delete(incarnation) === true) this.#forgetIfNowhere(route);
  }

  match(key: string): readonly SharedRoute[] {
    if (this.#byText.size === 0) return NO_SHARED;
    const count = this.#index.matchInto(key, this.#matched);
    if (count === 0) return NO_SHARED;
    const routes: SharedRoute[] = [];
    for (let i = 0; i < count; i++) {
      const route = this.#byNumber[this.#matched[i] as number];
      if (route !== undefined) routes.push(route);
    }
    return routes;
  }

  /** Gives a message of QoS 0 to one member of each group: here, if one takes it. */
  publish(routes: readonly SharedRoute[], view: PublishView, expiresAtSeconds: number): void {
    for (const route of routes) {
      const group = this.#groups.group(route.text);
      if (group !== undefined && this.#groups.deliverQos0(group, view)) continue;
      const peers = [...route.peers];
      const peer = peers[route.turn++ % peers.length];
      if (peer !== undefined) this.#packs.send(peer, route.text, view, expiresAtSeconds);
    }
  }

  #route(text: string): SharedRoute | undefined {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const shared = parseShared(text);
    if (shared === undefined) return undefined;
    const number = this.#freeNumbers.pop() ?? this.#byNumber.length;
    const key = topicKey(shared.topicFilter);
    const route = { text, key, number, peers: new Set<string>(), turn: 0 };
    this.#byText.set(text, route);
    this.#byNumber[number] = route;
    this.#index.add(key, number);
    this.generation++;
    return route;
  }

  #forgetIfNowhere(route: SharedRoute): void {
    const memberCount = this.#groups.group(route.text)?.members.size ?? 0;
    if (memberCount > 0 || route.peers.size > 0) return;
    this.#byText.delete(route.text);
    this.#byNumber[route.number] = undefined;
    this.#freeNumbers.push(route.number);
    this.#index.remove(route.key, route.number);
    this.generation++;
  }
}

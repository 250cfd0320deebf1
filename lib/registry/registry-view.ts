/**
 * Registry view — the directory of a gateway and the event subscriptions of a router, in memory.
 *
 * Fed:    by following the registry's stream; a change is seen some milliseconds after its write.
 *         Every decision is made from the record in this view, never from something older.
 * Outage: while NATS is away the view answers from what it last knew. A change made meanwhile acts
 *         after the reconnect; nobody can make one without NATS.
 * Tells:  `onChange` collects for CHANGE_COLLECT_MS, so that applying a file of a hundred resources
 *         asks the open connections a few times, not a hundred.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { AccessCompiler } from './access-compiler.ts';
import { Authenticator } from './authenticator.ts';
import type { Access, Authentication, Credentials, Directory, Identity } from './directory.ts';
import { eventSubscriptionOf } from './event-subscriptions.ts';
import type { EventSubscription, EventSubscriptionView } from './event-subscriptions.ts';
import { RegistryFeed } from './registry-feed.ts';
import type { RegistryChange } from './registry-image.ts';
import { TokenAuthenticator } from './token-authenticator.ts';

/** How long changes are collected before connections are asked, ms. Well below the second. */
export const CHANGE_COLLECT_MS = 50;
/** More changed clients than this in one collection are told as "all". */
const CHANGED_CLIENTS_MAX = 1_000;

type ChangeListener = Parameters<Directory['onChange']>[0];

export interface RegistryViewOptions {
  readonly bus: Bus;
  readonly clock: Clock;
}

export interface RegistryView extends Directory, EventSubscriptionView {
  /** Called once, when the first full view has been read (soon, if it already has). */
  whenReady(listener: () => void): void;
  /** Records that could not be read and were left out (a fault of writer or disk). */
  readonly unreadableRecords: number;
  close(): void;
}

/** Follows the registry's stream until closed; the stream must exist. */
export function openRegistryView(options: RegistryViewOptions): RegistryView {
  return new FollowedView(options.bus, options.clock);
}

class FollowedView implements RegistryView {
  readonly #clock: Clock;
  readonly #feed: RegistryFeed;
  readonly #authenticator: Authenticator;
  readonly #tokens: TokenAuthenticator;
  readonly #compiler: AccessCompiler;
  readonly #readyListeners: (() => void)[] = [];
  readonly #changeListeners = new Set<ChangeListener>();
  readonly #subscriptionListeners = new Set<() => void>();
  readonly #changedClients = new Set<string>();
  #changedForAll = false;
  #collecting = false;
  #closed = false;
  #subscriptions: readonly EventSubscription[] | undefined;
  #eventFilters: readonly string[] | undefined;

  constructor(bus: Bus, clock: Clock) {
    this.#clock = clock;
    this.#feed = new RegistryFeed(bus, {
      onChange: (change) => this.#onChange(change),
      onReady: () => this.#onReady(),
    });
    this.#authenticator = new Authenticator(this.#feed.image);
    this.#tokens = new TokenAuthenticator(this.#feed.image);
    this.#compiler = new AccessCompiler(this.#feed.image);
  }

  get ready(): boolean {
    return this.#feed.ready;
  }

  get unreadableRecords(): number {
    return this.#feed.image.unreadableRecords;
  }

  whenReady(listener: () => void): void {
    if (this.ready) queueMicrotask(listener);
    else this.#readyListeners.push(listener);
  }

  authenticate(credentials: Credentials, onOutcome: (outcome: Authentication) => void): void {
    if (this.ready && this.#tokens.takes(credentials)) {
      void this.#tokens.authenticate(credentials, this.#clock.wallMs()).then(onOutcome);
    } else queueMicrotask(() => onOutcome(this.#authenticateNow(credentials)));
  }

  access(identity: Identity): Access {
    return this.#compiler.accessOf(identity);
  }

  eventFilters(): readonly string[] {
    this.#eventFilters ??= [
      ...new Set(this.eventSubscriptions().flatMap((subscription) => subscription.topicFilters)),
    ];
    return this.#eventFilters;
  }

  eventSubscriptions(): readonly EventSubscription[] {
    const { image } = this.#feed;
    this.#subscriptions ??= image.names('eventSubscriptions').flatMap((name) => {
      const resource = image.get('eventSubscriptions', name);
      return resource === undefined ? [] : [eventSubscriptionOf(resource)];
    });
    return this.#subscriptions;
  }

  onChange(listener: ChangeListener): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }

  onEventSubscriptions(listener: () => void): () => void {
    this.#subscriptionListeners.add(listener);
    return () => this.#subscriptionListeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#feed.close();
  }

  #authenticateNow(credentials: Credentials): Authentication {
    if (this.ready) return this.#authenticator.authenticate(credentials, this.#clock.wallMs());
    return { ok: false, reason: 'server_unavailable', detail: 'registry has not been read yet' };
  }

  #onReady(): void {
    // Whoever asked before got answers from half a view.
    this.#authenticator.invalidate();
    this.#tokens.invalidate();
    this.#compiler.invalidate();
    this.#subscriptions = undefined;
    this.#eventFilters = undefined;
    for (const listener of this.#readyListeners.splice(0)) listener();
    for (const listener of this.#subscriptionListeners) listener();
  }

  #onChange(change: RegistryChange): void {
    switch (change.kind) {
      case 'clients':
        this.#changedClients.add(change.name);
        if (this.#changedClients.size > CHANGED_CLIENTS_MAX) this.#changedForAll = true;
        break;
      case 'caCertificates':
      case 'revocationLists':
        this.#authenticator.invalidate();
        this.#changedForAll = true;
        break;
      case 'jwtIssuers':
      case 'jwtKeySets':
        this.#tokens.invalidate();
        this.#changedForAll = true;
        break;
      case 'namespaceSettings':
        this.#changedForAll = true;
        break;
      case 'clientGroups':
      case 'topicSpaces':
      case 'permissionBindings':
        this.#compiler.invalidate();
        this.#changedForAll = true;
        break;
      case 'eventSubscriptions':
        this.#subscriptions = undefined;
        this.#eventFilters = undefined;
        for (const listener of this.#subscriptionListeners) listener();
        return;
    }
    if (this.#collecting) return;
    this.#collecting = true;
    this.#clock.after(CHANGE_COLLECT_MS, () => this.#tell());
  }

  #tell(): void {
    this.#collecting = false;
    const names = this.#changedForAll ? [undefined] : [...this.#changedClients];
    this.#changedForAll = false;
    this.#changedClients.clear();
    if (this.#closed) return;
    for (const name of names) {
      const client = name === undefined ? undefined : this.#feed.image.get('clients', name);
      const authenticationName = client?.spec.authenticationName;
      for (const listener of this.#changeListeners) listener(name, authenticationName);
    }
  }
}

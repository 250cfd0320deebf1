import type { Clock } from '#base';
import type { Bus } from '#bus';
import type { Directory } from './directory.ts';
import type { EventSubscriptionView } from './event-subscriptions.ts';

export interface RegistryViewOptions {
  readonly bus: Bus;
  readonly clock: Clock;
}

export interface RegistryView extends Directory, EventSubscriptionView {
  /** Called once, when the first full view has been read (at once if it already has). */
  whenReady(listener: () => void): void;
  /** Records that could not be read and were left out (a fault of writer or disk). */
  readonly unreadableRecords: number;
  close(): void;
}

/** Follows the registry's stream until closed; the stream must exist. */
export function openRegistryView(options: RegistryViewOptions): RegistryView {
  throw new Error(`not there yet: ${String(options.bus.connected)}`);
}

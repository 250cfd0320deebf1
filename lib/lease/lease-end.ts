/**
 * Ending another's lease: a tombstone by compare-and-set on the revision seen (protocol 8), so a
 * renewal that comes first saves the holder, and one that comes later is refused.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { ConditionalWrite } from './conditional-write.ts';
import { encodeLease } from './lease-record.ts';
import type { LeaseEntry } from './lease-view.ts';
import { LEASE_STREAM } from './names.ts';

export interface EndLeaseOptions<T> {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly entry: LeaseEntry<T>;
  /** Names the observer's life and this write: unlike every other pair. */
  readonly observer: string;
  readonly number: number;
  /** True: ended by this write. False: another wrote first. */
  readonly onDone: (ended: boolean) => void;
}

/** Repeated until decided; `close` of what it returns gives up. */
export function endLease<T>(options: EndLeaseOptions<T>): ConditionalWrite {
  const { bus, clock, entry, observer, number, onDone } = options;
  const { subject, content, revision } = entry;
  return new ConditionalWrite({
    bus,
    clock,
    stream: LEASE_STREAM,
    subject,
    payload: encodeLease({ holder: observer, number, state: 'ended', content }),
    messageId: `${subject}:end:${observer}.${number}`,
    expectedSequence: revision,
    expectationOf: 'subject',
    onDecided: (outcome) => onDone(outcome.kind === 'stored'),
  });
}

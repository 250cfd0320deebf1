/**
 * Subscription change — what SUBSCRIBE and UNSUBSCRIBE make of a stored session's subscriptions.
 */
import type { GatewayMessage } from '#frames';
import type { Position } from '#log';
import type { SessionRecord, StoredSubscription } from '#session-store';

type Change = Extract<GatewayMessage, { t: 'change' }>;

/**
 * `checkpoints`: per partition. Starts that they and the session's cursor have passed are left out
 * (protocol 15): above the cursor its queue may hold what an earlier subscription to the same
 * filter was filed for.
 */
export function changedSubscriptions(
  record: SessionRecord,
  { add, remove }: Pick<Change, 'add' | 'remove'>,
  checkpoints: readonly Position[],
): readonly StoredSubscription[] {
  const passed = record.cursor.map((cursor, p) => Math.min(cursor, checkpoints[p] ?? 0));
  const kept = new Map(record.subscriptions.map((s) => [s.topicFilter, prune(s, passed)]));
  for (const topicFilter of remove) kept.delete(topicFilter);
  for (const subscription of add) {
    const known = kept.get(subscription.topicFilter);
    kept.set(
      subscription.topicFilter,
      // A repeated SUBSCRIBE changes the options, not since when it counts.
      known === undefined ? subscription : withStarts(subscription, known.starts),
    );
  }
  return [...kept.values()];
}

function prune(s: StoredSubscription, passed: readonly Position[]): StoredSubscription {
  const isPassed = (positions: readonly Position[] | undefined): boolean =>
    positions?.every((position, p) => position <= (passed[p] ?? 0)) === true;
  const kept = isPassed(s.starts) ? withStarts(s, undefined) : s;
  if (!isPassed(kept.formerly?.upTo)) return kept;
  const { formerly: _formerly, ...rest } = kept;
  return rest;
}

function withStarts(
  { starts: _starts, ...options }: StoredSubscription,
  starts: readonly Position[] | undefined,
): StoredSubscription {
  return starts === undefined ? options : { ...options, starts };
}

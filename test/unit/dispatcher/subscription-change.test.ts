/** What SUBSCRIBE and UNSUBSCRIBE leave of a stored session's subscriptions (ADR 0012, S10). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { qosAt, type StoredSubscription } from '#session-store';
import { changedSubscriptions } from '../../../services/dispatcher/subscription-change.ts';
import { sessionRecord } from '../../fixtures/session-record.ts';

const FAR = [1_000, 1_000];

function subscription(topicFilter: string, more: Partial<StoredSubscription> = {}) {
  const options = { noLocal: false, retainAsPublished: false, subscriptionIdentifier: 0 };
  return { topicFilter, qos: 0 as const, ...options, ...more };
}

describe('subscriptions of a stored session', () => {
  it('ask at the QoS before up to where they were lowered, partition by partition', () => {
    const lowered = subscription('a', { formerly: { qos: 2, upTo: [10, 0] } });
    const asked = [
      [0, 10],
      [0, 11],
      [1, 1],
    ].map(([partition = 0, position = 0]) => qosAt(lowered, partition, position));
    assert.deepEqual(asked, [2, 0, 0]);
    assert.equal(qosAt(subscription('a', { qos: 1 }), 0, 1), 1);
  });

  it('keep what was asked before until the cursor and the checkpoints have passed it', () => {
    const lowered = subscription('a', { formerly: { qos: 1, upTo: [10, 20] } });
    const after = (cursor: readonly number[], checkpoints: readonly number[]) => {
      const record = sessionRecord('c', 1, { subscriptions: [lowered], cursor });
      return changedSubscriptions(record, { add: [], remove: [] }, checkpoints)[0];
    };
    assert.deepEqual(after([10, 19], FAR), lowered);
    assert.deepEqual(after([10, 20], [10, 19]), lowered);
    assert.deepEqual(after([10, 20], FAR), subscription('a'));
  });

  it('are lowered by a repeated SUBSCRIBE, which keeps since when they count', () => {
    const record = sessionRecord('c', 1, {
      subscriptions: [subscription('a', { qos: 1, starts: [5, 5] })],
      cursor: [0, 0],
    });
    const lowered = subscription('a', { formerly: { qos: 1, upTo: [10, 20] } });
    const [changed] = changedSubscriptions(record, { add: [lowered], remove: [] }, FAR);
    assert.deepEqual(changed, { ...lowered, starts: [5, 5] });
    assert.deepEqual(changedSubscriptions(record, { add: [], remove: ['a'] }, FAR), []);
  });
});

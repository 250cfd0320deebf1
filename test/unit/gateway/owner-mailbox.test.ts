/** What a gateway says to owners: a turn's messages together, in order, in messages that fit. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import { CHUNK_BYTES_MAX, decodeRequests, type GatewayMessage, ownerSubject } from '#frames';
import { OwnerMailbox } from '../../../services/gateway/owner-mailbox.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

describe('OwnerMailbox', () => {
  it('sends each partition what is for it, in order and in pieces', () => {
    const clock = new SimClock();
    const cluster = new MemoryCluster(clock, seededRandom(1));
    const bus = cluster.connect('gateway');
    const got: GatewayMessage[][] = [[], []];
    const sizes: number[] = [];
    for (const [p, messages] of got.entries()) {
      cluster.connect(`owner ${p}`).subscribe(ownerSubject(p), ({ payload }) => {
        sizes.push(payload.length);
        messages.push(...decodeRequests(payload));
      });
    }
    clock.run(10);
    const mailbox = new OwnerMailbox(bus, clock, 2);
    const sent: GatewayMessage[][] = [[], []];
    for (let connection = 0; connection < 1_500; connection++) {
      const p = connection % 3 === 0 ? 1 : 0;
      const length = connection % 100 === 0 ? 100_000 : 10;
      const clientIdentifier = `${connection}`.padEnd(length, '"');
      const message = { t: 'release', inc: 'g', connection, clientIdentifier } as const;
      sent[p]?.push(message);
      mailbox.send(p, message);
    }
    clock.run(20);
    assert.deepEqual(got, sent);
    for (const size of sizes) assert.ok(size <= CHUNK_BYTES_MAX, `${size}`);
    assert.ok(sizes.length < 50, `${sizes.length} messages`);
  });
});

/** How long the log of a partition will do: from its growth, as the stream tells it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import { logStreamConfig } from '#log';
import { LogRoom } from '../../../lib/reader/log-room.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

it('tells the seconds until the log is full, and that it does not grow', () => {
  const clock = new SimClock();
  const nats = new MemoryCluster(clock, seededRandom(1));
  nats.createStream(logStreamConfig(0, 1, 10_000));
  const bus = nats.connect('owner');
  const room = new LogRoom(bus, clock, 0);
  const append = (bytes: number): void => {
    const payload = Buffer.alloc(bytes);
    bus.append({ stream: 'LOG_00', subject: 'log.00.g.0', payload }, () => undefined);
  };
  clock.run(1_000);
  assert.equal(room.secondsLeft, Infinity);
  assert.equal(room.bytesMax, 10_000);
  append(1_000);
  clock.run(6_000);
  const grown = room.bytes;
  assert.ok(grown >= 1_000 && grown < 1_200, `${grown} bytes`);
  const left = (10_000 - grown) / (grown / 5);
  assert.ok(Math.abs(room.secondsLeft - left) < 1, `${room.secondsLeft} instead of ${left} s`);
  clock.run(12_000);
  assert.equal(room.secondsLeft, Infinity);
  room.close();
});

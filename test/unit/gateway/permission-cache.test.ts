/**
 * The permission cache decides as the access object does, asks it once per topic, and forgets
 * everything with a new one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PacketDecoder } from '#mqtt';
import type { PublishView } from '#mqtt';
import type { Access } from '#registry';
import { PERMISSION_CACHE_COUNT } from '../../../services/gateway/limits.ts';
import { PermissionCache } from '../../../services/gateway/permission-cache.ts';
import { connect, publish } from '../../fixtures/mqtt-client-encoder.ts';

function published(topic: string): PublishView {
  const decoder = new PacketDecoder({ packetBytesMax: 100_000 });
  decoder.push(Buffer.concat([connect(5), publish(5, { topic })]));
  decoder.next();
  return decoder.next() as PublishView;
}

class Asked implements Access {
  readonly topics: string[] = [];
  readonly #denied: string;
  constructor(denied: string) {
    this.#denied = denied;
  }
  mayPublish(topic: string): boolean {
    this.topics.push(topic);
    return !topic.includes(this.#denied);
  }
  maySubscribe(): boolean {
    return false;
  }
}

test('decisions are those of the access object, for any sequence of topics', () => {
  const topic = fc.constantFrom('a', 'b', 'a/b', 'a/c', 'ä/b', 'long/'.repeat(60), 'x'.repeat(128));
  fc.assert(
    fc.property(fc.array(topic, { maxLength: 40 }), fc.nat({ max: 40 }), (topics, resetAt) => {
      const first = new Asked('b');
      const second = new Asked('a');
      const cache = new PermissionCache(first);
      topics.forEach((text, i) => {
        if (i === resetAt) cache.reset(second);
        const denied = i >= resetAt ? 'a' : 'b';
        assert.equal(cache.mayPublish(published(text)), !text.includes(denied));
        assert.equal(cache.topicKey, Buffer.from(text).toString('latin1'));
      });
      for (const { topics: asked } of [first, second]) {
        assert.equal(asked.length, new Set(asked).size, 'asked once per topic');
      }
    }),
  );
});

test('it keeps a bounded number of topics', () => {
  const access = new Asked('none');
  const cache = new PermissionCache(access);
  for (let i = 0; i <= PERMISSION_CACHE_COUNT; i++) cache.mayPublish(published(`t/${i}`));
  cache.mayPublish(published('t/0'));
  assert.equal(access.topics.length, PERMISSION_CACHE_COUNT + 2, 'it began anew');
});

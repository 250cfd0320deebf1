import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { MqttClient } from 'mqtt';
import { Arrivals } from '../fixtures/arrivals.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { connectDevice } from '../fixtures/device.ts';

const MESSAGE_COUNT = 10_000;
const TOPIC_COUNT = 10;
/** Below the Receive Maximum of CONNACK, which MQTT.js leaves to its user [MQTT 5 §3.3.4]. */
const OPEN_MAX = 1_000;

suite('delivery between two gateways', () => {
  let cluster: DevCluster;
  before(async () => {
    cluster = await startDevCluster({ plain: false });
  });
  after(async () => {
    await cluster.stop();
  });

  const pair = async (name: string, version: 4 | 5): Promise<[MqttClient, MqttClient]> => {
    const clientId = `${name}-${version}`;
    const [publisher, subscriber] = await Promise.all([
      connectDevice(cluster, { as: 'operator', gateway: 1, version, clientId: `${clientId}-p` }),
      connectDevice(cluster, { as: 'dashboard', gateway: 2, version, clientId: `${clientId}-s` }),
    ]);
    return [publisher, subscriber];
  };

  for (const version of [4, 5] as const) {
    test(`${MESSAGE_COUNT} QoS 1 messages right after SUBACK, MQTT ${version}`, async (t) => {
      const [publisher, subscriber] = await pair('many', version);
      t.after(() => Promise.all([publisher.endAsync(true), subscriber.endAsync(true)]));
      const arrivals = new Arrivals(subscriber);
      await subscriber.subscribeAsync(`demo/many/${version}/+`, { qos: 1 });
      const startMs = performance.now();
      const contents = Array.from({ length: MESSAGE_COUNT }, (_, number) => `m-${number}`);
      const topicOf = (number: number): string => `demo/many/${version}/${number % TOPIC_COUNT}`;
      await publishAll(publisher, contents, topicOf);
      await arrivals.whenAll(contents, 30_000);
      t.diagnostic(`${Math.round(performance.now() - startMs)} ms`);
      assert.deepEqual(arrivals.outOfOrder, []);
      assert.deepEqual(arrivals.repeats(new Set()), []);
      assert.equal(arrivals.counts.size, MESSAGE_COUNT);
      assert.equal(arrivals.topics.length, TOPIC_COUNT);
    });

    test(`QoS 0 and QoS 1 reach a subscription made just before, MQTT ${version}`, async (t) => {
      const [publisher, subscriber] = await pair('fresh', version);
      t.after(() => Promise.all([publisher.endAsync(true), subscriber.endAsync(true)]));
      const arrivals = new Arrivals(subscriber);
      // Each time a new filter: what a first one had warmed up would hide a late second one.
      for (let round = 0; round < 20; round++) {
        const topic = `demo/fresh/${version}/${round}`;
        await subscriber.subscribeAsync(topic, { qos: 1 });
        publisher.publish(topic, `zero-${round}`, { qos: 0 });
        publisher.publish(topic, `one-${round}`, { qos: 1 });
        await arrivals.whenAll([`zero-${round}`, `one-${round}`], 5_000);
      }
      assert.equal(arrivals.counts.size, 40);
      assert.deepEqual(arrivals.repeats(new Set()), []);
    });
  }
});

/** Resolves when all have their PUBACK; rejects with the first refusal. */
function publishAll(
  client: MqttClient,
  contents: readonly string[],
  topicOf: (number: number) => string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let acked = 0;
    const publishNext = (): void => {
      const number = next++;
      client.publish(topicOf(number), contents[number] ?? '', { qos: 1 }, (error) => {
        if (error !== undefined && error !== null) return reject(error);
        if (++acked === contents.length) return resolve();
        if (next < contents.length) publishNext();
      });
    };
    client.once('close', () => reject(new Error('the connection was closed')));
    while (next < Math.min(OPEN_MAX, contents.length)) publishNext();
  });
}

import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { systemClock } from '#base';
import { type Bus, connectNats } from '#bus';
import { leaseStreamConfig } from '#lease';
import { logStreamConfig, PartitionAppender } from '#log';
import { ROUTER_GROUP } from '#reader';
import { registryStreamConfig, RegistryStore, writeClusterSettings } from '#registry';
import { stateStreamConfig } from '#state';
import { startNatsServer } from '../fixtures/nats-server.ts';
import { startRouter, startWebhookReceiver } from '../fixtures/router-process.ts';
import type { RouterProcess, WebhookReceiver } from '../fixtures/router-process.ts';
import { viewOf } from '../unit/router/logged-message.ts';

const PARTITIONS = 2;
const FAST_RETRIES = { WEIR_ROUTER_RETRY_WAITS: '0.1,0.3' };

interface Stage {
  readonly natsUrl: string;
  readonly bus: Bus;
  readonly registry: RegistryStore;
  readonly receiver: WebhookReceiver;
  /** Appends one message; resolves when it is stored, as a PUBACK would be sent. */
  publish(topic: string, payload: string): Promise<void>;
}

/** What control sets up, a webhook receiver, and a gateway's way into the log. */
async function setUp(t: TestContext): Promise<Stage> {
  const server = await startNatsServer();
  t.after(() => server.stop());
  const bus = await connectNats({ servers: server.url, name: 'test' });
  t.after(() => bus.close());
  await bus.ensureStream(leaseStreamConfig(1));
  await bus.ensureStream(registryStreamConfig(1));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await bus.ensureStream(logStreamConfig(partition, 1));
    await bus.ensureStream(stateStreamConfig(ROUTER_GROUP, partition, 1));
  }
  await writeClusterSettings(bus, { partitions: PARTITIONS, replicas: 1, layoutVersion: 1 });
  const registry = new RegistryStore({ bus, clock: systemClock, random: Math.random });
  t.after(() => registry.close());
  while (!registry.ready) await new Promise((resolve) => setImmediate(resolve));
  const receiver = await startWebhookReceiver();
  t.after(() => receiver.close());
  const appenders = Array.from({ length: PARTITIONS }, (_, partition) => {
    const incarnation = `g${partition}`;
    const onDrain = (): void => undefined;
    return new PartitionAppender({ bus, clock: systemClock, partition, incarnation, onDrain });
  });
  t.after(() => appenders.forEach((appender) => appender.close()));
  let published = 0;
  return {
    natsUrl: server.url,
    bus,
    registry,
    receiver,
    publish: (topic, payload) =>
      new Promise((resolve, reject) => {
        const appender = appenders[published++ % PARTITIONS] as PartitionAppender;
        const appended = (_token: number, outcome: string): void =>
          outcome === 'stored' ? resolve() : reject(new Error(outcome));
        const view = viewOf({ topic, payload, properties: { isText: true } });
        appender.add(view, 0, false, { appended }, published);
      }),
  };
}

function subscribe(stage: Stage, name: string, topicFilter: string, endpointUrl: string) {
  const spec = {
    topicFilters: [topicFilter],
    destination: { webhook: { endpointUrl } },
    deliveryAttemptsMax: 1_000,
  };
  return stage.registry.write({ kind: 'eventSubscriptions', name, action: 'create', spec });
}

function contents(receiver: WebhookReceiver): Set<unknown> {
  return new Set([...receiver.events.values()].map(({ event }) => event['data']));
}

async function metric(router: RouterProcess, line: RegExp): Promise<string | undefined> {
  const response = await fetch(`http://127.0.0.1:${router.httpPort}/metrics`);
  return line.exec(await response.text())?.[1];
}

test('a logged message reaches the webhook as a CloudEvent, others do not', async (t) => {
  const stage = await setUp(t);
  const { receiver } = stage;
  await subscribe(stage, 'demo', 'demo/#', receiver.url);
  const router = await startRouter(stage.natsUrl);
  t.after(() => router.kill('SIGKILL'));
  await stage.publish('other/t', 'not this');
  await stage.publish('demo/t', '{"v":1}');
  await receiver.until(() => receiver.events.size === 1, 10_000, 'one event');
  const [first] = receiver.events.values();
  const event = first?.event ?? {};
  assert.equal(event['type'], 'MQTT.EventPublished');
  assert.equal(event['subject'], 'demo/t');
  assert.equal(event['source'], 'default');
  assert.equal(event['id'], '1-1-0');
  assert.deepEqual(event['data'], { v: 1 });
  assert.equal(receiver.handshakes, 1);
  // A subscription that is made, and one that is deleted, act at once.
  await stage.registry.write({ kind: 'eventSubscriptions', name: 'demo', action: 'delete' });
  await subscribe(stage, 'second', 'second/#', receiver.url);
  await stage.publish('demo/t', '{"v":2}');
  await stage.publish('second/t', '{"v":3}');
  await receiver.until(() => receiver.events.size === 2, 10_000, 'a second event');
  assert.ok(contents(receiver).size === 2);
  assert.equal(await metric(router, /result="delivered"\} (\d+)/), '2');
  assert.equal(await router.kill('SIGTERM'), 0, router.log());
});

test('a router that is killed at random moments loses no event', async (t) => {
  const stage = await setUp(t);
  const { receiver } = stage;
  await subscribe(stage, 'all', 'k/#', receiver.url);
  let answers = 0;
  receiver.answer = (response) => {
    answers++;
    response.writeHead(answers % 5 === 0 ? 500 : 200).end();
  };
  let router = await startRouter(stage.natsUrl, FAST_RETRIES);
  t.after(() => router.kill('SIGKILL'));
  const count = 1_200;
  const kills = 3;
  for (let n = 0; n < count; n++) {
    await stage.publish(`k/${n % 7}`, JSON.stringify(n));
    if ((n + 1) % Math.floor(count / kills) !== 0) continue;
    const seen = receiver.events.size;
    const more = seen + Math.floor(Math.random() * 40);
    await receiver.until(() => receiver.events.size >= Math.min(more, n), 20_000, 'progress');
    await router.kill('SIGKILL');
    router = await startRouter(stage.natsUrl, FAST_RETRIES);
  }
  await receiver.until(() => contents(receiver).size === count, 40_000, 'all events');
  assert.equal(receiver.events.size, count, 'one id per message, also over kills');
});

test('a slow webhook holds up no other, and gets its events after a restart', async (t) => {
  const stage = await setUp(t);
  const slow = await startWebhookReceiver();
  t.after(() => slow.close());
  slow.answer = () => undefined;
  await subscribe(stage, 'slow', 't/#', slow.url);
  await subscribe(stage, 'fast', 't/#', stage.receiver.url);
  const env = { ...FAST_RETRIES, WEIR_ROUTER_ANSWER_TIMEOUT: '0.5' };
  let router = await startRouter(stage.natsUrl, env);
  t.after(() => router.kill('SIGKILL'));
  const count = 600;
  await Promise.all(Array.from({ length: count }, (_, n) => stage.publish('t/x', `${n}`)));
  const { receiver } = stage;
  await receiver.until(() => receiver.events.size === count, 10_000, 'all at the fast one');
  assert.ok(slow.events.size < count / 2, `${slow.events.size} reached the slow one`);
  assert.equal(await router.kill('SIGTERM'), 0, router.log());
  slow.answer = (response) => void response.writeHead(204).end();
  router = await startRouter(stage.natsUrl, env);
  await slow.until(() => slow.events.size === count, 30_000, 'all at the slow one');
  assert.deepEqual(contents(slow), contents(receiver));
});

/**
 * Registry under a bad NATS: two control processes write at once while answers vanish, copies land
 * late and servers crash. Checked at each stored record and at the end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Random } from '#base';
import { MemoryCluster, SimClock } from '#bus';
import { openRegistryView, RegistryFault, RegistryStore, registryStreamConfig } from '#registry';
import type { Resource, WriteRequest } from '#registry';
import { resourceOfSubject } from '../../lib/registry/names.ts';
import { decodeResource, writeIdOf } from '../../lib/registry/record.ts';
import { seededRandom } from '../fixtures/seeded-random.ts';

const WRITES = 120;
const STEP_MS = 20;

/** What the stream says, record by record; rules that hold for every prefix of it. */
class Checker {
  readonly clients = new Map<string, string>();
  readonly revisions = new Map<number, string>();
  readonly #writeIds = new Set<string>();

  onStored(message: Parameters<Parameters<MemoryCluster['onStored']>[0]>[1]): void {
    const key = resourceOfSubject(message.subject);
    assert.ok(key !== undefined);
    const writeId = writeIdOf(message.payload);
    assert.ok(writeId !== undefined && !this.#writeIds.has(writeId), `${writeId} landed twice`);
    this.#writeIds.add(writeId);
    this.revisions.set(message.sequence, key.name);
    if (message.deleted) {
      assert.ok(this.clients.delete(key.name), `${key.name} was deleted, but did not exist`);
      return;
    }
    const client = decodeResource('clients', key.name, message);
    assert.ok(client !== undefined);
    const { authenticationName } = client.spec;
    for (const [name, other] of this.clients) {
      if (name !== key.name) assert.notEqual(other, authenticationName, `${name} and ${key.name}`);
    }
    const before = this.clients.get(key.name);
    if (before !== undefined) assert.equal(authenticationName, before, 'a name was changed');
    this.clients.set(key.name, authenticationName);
  }
}

function anyWrite(random: Random, number: number): WriteRequest {
  const pick = (count: number): number => Math.floor(random() * count);
  const name = `client-${pick(8)}`;
  const chance = random();
  if (chance < 0.25) return { kind: 'clients', name, action: 'delete' };
  const description = `write ${number}`;
  if (chance < 0.5) return { kind: 'clients', name, action: 'update', spec: { description } };
  const spec = { description, authenticationName: `name-${pick(12)}` };
  return { kind: 'clients', name, action: 'create', spec };
}

async function simulate(seed: number): Promise<{ stored: number; acknowledged: number }> {
  const random = seededRandom(seed);
  const clock = new SimClock();
  const cluster = new MemoryCluster(clock, random);
  cluster.createStream(registryStreamConfig(1));
  const checker = new Checker();
  cluster.onStored((_, message) => checker.onStored(message));
  Object.assign(cluster.faults, {
    appendAnswerLost: 0.1,
    appendLost: 0.1,
    appendUndecided: 0.1,
    appendStalled: 0.05,
    stalledMs: [100, 8_000],
  });
  const buses = [cluster.connect('control-1'), cluster.connect('control-2')];
  const stores = buses.map(
    (bus, i) =>
      new RegistryStore({ bus, clock: bus.control.clock, random: seededRandom(seed + i) }),
  );
  const viewBus = cluster.connect('gateway-1');
  const view = openRegistryView({ bus: viewBus, clock: viewBus.control.clock });
  const until = async (condition: () => boolean): Promise<void> => {
    for (let step = 0; !condition(); step++) {
      assert.ok(step < 20_000, `seed ${seed}: no end`);
      clock.run(clock.nowMs() + STEP_MS);
      await turn();
    }
  };
  await until(() => view.ready && stores.every((store) => store.ready));

  let open = WRITES;
  const acknowledged: Resource[] = [];
  const unique = new Set<number>();
  let explained = 0;
  for (let number = 0; number < WRITES; number++) {
    stores[number % 2]
      ?.write(anyWrite(random, number))
      .then((resource) => {
        explained++;
        if (resource !== undefined) acknowledged.push(resource);
      })
      .catch((cause: unknown) => {
        assert.ok(cause instanceof RegistryFault, String(cause));
        if (cause.code === 'unavailable') explained++;
      })
      .finally(() => open--);
    if (number % 40 === 20) {
      cluster.crash();
      clock.run(clock.nowMs() + 500);
      cluster.recover();
    }
  }
  await until(() => open === 0);
  for (const { revision, name } of acknowledged) {
    assert.equal(checker.revisions.get(revision), name);
    assert.ok(!unique.has(revision), 'one record, one answer');
    unique.add(revision);
  }
  const late = clock.nowMs() + 20_000;
  await until(() => clock.nowMs() >= late);
  assert.ok(checker.revisions.size <= explained, 'a write landed that was said to be refused');
  const names = [...checker.clients.keys()].sort();
  for (const store of stores) {
    const { resources } = store.list('clients', '', 100);
    assert.deepEqual(
      resources.map(({ name }) => name),
      names,
    );
  }
  for (const store of stores) store.close();
  view.close();
  return { stored: checker.revisions.size, acknowledged: acknowledged.length };
}

for (const seed of [11, 12, 13, 14]) {
  test(`rules between resources hold at every record (seed ${seed})`, async () => {
    const { stored, acknowledged } = await simulate(seed);
    assert.ok(stored > 20 && acknowledged > 10, `${stored} stored, ${acknowledged} acknowledged`);
  });
}

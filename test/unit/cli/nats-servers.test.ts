import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Fault } from '#base';
import {
  checkNatsCount,
  natsUrls,
  planNatsServers,
} from '../../../services/cli/dev/nats-servers.ts';
import { planPorts } from '../../../services/cli/dev/ports.ts';
import type { NatsCount } from '../../../services/cli/dev/ports.ts';

function temporary(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-nats-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'nats');
}

function plan(natsDirectory: string, nats: NatsCount): ReturnType<typeof planNatsServers> {
  const shape = { gateways: 1, dispatchers: 1, nats, plain: false, demo: false };
  const ports = planPorts(shape, 0);
  return planNatsServers({ ports, natsServer: '/opt/nats-server', natsDirectory, env: {} });
}

const configOf = (spec: ReturnType<typeof planNatsServers>[number] | undefined): string =>
  readFileSync(spec?.args[1] ?? '', 'utf8');

test('one server keeps its data as ever and knows no cluster', (context) => {
  const directory = temporary(context);
  const specs = plan(directory, 1);
  assert.deepEqual(
    specs.map(({ name, ports }) => [name, ports]),
    [['nats', [4222, 8222]]],
  );
  const text = configOf(specs[0]);
  assert.match(text, /^server_name: weir-dev$/m);
  assert.match(text, /sync_interval: always/);
  assert.doesNotMatch(text, /cluster/);
  assert.deepEqual(readdirSync(directory), ['nats.conf']);
});

test('three servers have names, directories and routes of their own', (context) => {
  const directory = temporary(context);
  const specs = plan(directory, 3);
  assert.deepEqual(
    specs.map(({ name, ports }) => [name, ports]),
    [
      ['nats-1', [4222, 8222, 6222]],
      ['nats-2', [4223, 8223, 6223]],
      ['nats-3', [4224, 8224, 6224]],
    ],
  );
  for (const [index, spec] of specs.entries()) {
    const text = configOf(spec);
    assert.match(text, new RegExp(`^server_name: weir-dev-${index + 1}$`, 'm'));
    assert.ok(text.includes(JSON.stringify(join(directory, `${index + 1}`, 'store'))));
    assert.match(text, /sync_interval: always/);
    assert.deepEqual(text.match(/(?<=nats-route:\/\/127\.0\.0\.1:)\d+/g), ['6222', '6223', '6224']);
    assert.equal(spec.env['GOGC'], '400');
  }
});

test('clients are given all servers', () => {
  const shape = { gateways: 1, dispatchers: 1, nats: 3, plain: false, demo: false } as const;
  const urls = 'nats://127.0.0.1:4222,nats://127.0.0.1:4223,nats://127.0.0.1:4224';
  assert.equal(natsUrls(planPorts(shape, 0).nats), urls);
});

test('the number of servers is fixed with the data', (context) => {
  const directory = temporary(context);
  checkNatsCount(directory, 3);
  plan(directory, 3);
  checkNatsCount(directory, 3);
  assert.throws(
    () => checkNatsCount(directory, 1),
    (cause: unknown) =>
      cause instanceof Fault &&
      cause.code === 'WEIR_CONFIG' &&
      /data of 3 nats-servers, not of 1, .* --nats 3, or use --data/.test(cause.message),
  );
  const single = temporary(context);
  mkdirSync(single);
  checkNatsCount(single, 3);
  plan(single, 1);
  checkNatsCount(single, 1);
  assert.throws(() => checkNatsCount(single, 3), /data of 1 nats-server, not of 3, .* --nats 1,/);
});

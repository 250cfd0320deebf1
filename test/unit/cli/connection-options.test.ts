import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { writeEndpoints } from '../../../services/cli/dev/endpoints.ts';
import { planPorts } from '../../../services/cli/dev/ports.ts';
import {
  chooseTarget,
  describeFailure,
  qualityOfService,
  wholeNumber,
} from '../../../services/cli/mqtt/connection-options.ts';

const DEFAULTS = { protocolVersion: 5, keepAlive: 60, gateway: 1, data: 'nowhere' } as const;

/** A data directory as a running cluster leaves it. */
function runningCluster(context: TestContext, plain: boolean): string {
  const data = mkdtempSync(join(tmpdir(), 'weir-options-'));
  context.after(() => rmSync(data, { recursive: true }));
  const directory = join(data, 'certs');
  mkdirSync(directory);
  for (const name of ['ca.pem', 'thermostat.pem', 'thermostat.key']) {
    writeFileSync(join(directory, name), name);
  }
  writeEndpoints({
    supervisorPid: process.pid,
    dataDirectory: data,
    ready: true,
    ports: planPorts({ gateways: 2, dispatchers: 1, plain, demo: false }, 100),
    certificates: { directory, ca: join(directory, 'ca.pem') },
    processes: {},
  });
  return data;
}

test('host and port name any broker; certificates turn TLS on', (context) => {
  assert.deepEqual(chooseTarget({ ...DEFAULTS, host: 'broker.test' }), {
    protocol: 'mqtt',
    host: 'broker.test',
    port: 1883,
  });
  const cafile = join(runningCluster(context, true), 'certs/ca.pem');
  const secure = chooseTarget({ ...DEFAULTS, host: 'broker.test', cafile });
  assert.equal(secure.protocol, 'mqtts');
  assert.equal(secure.port, 8883);
  assert.equal(String(secure.ca), 'ca.pem');
});

test('--as takes certificate and TLS port from the running cluster', (context) => {
  const data = runningCluster(context, true);
  const target = chooseTarget({ ...DEFAULTS, data, as: 'thermostat', gateway: 2 });
  assert.equal(target.protocol, 'mqtts');
  assert.equal(target.port, 8984);
  assert.equal(String(target.cert), 'thermostat.pem');
  assert.equal(String(target.key), 'thermostat.key');
  assert.throws(() => chooseTarget({ ...DEFAULTS, data, as: 'nobody' }), /cannot read .*nobody/);
});

test('without --as it is the plain listener, where there is one', (context) => {
  const { port } = chooseTarget({ ...DEFAULTS, data: runningCluster(context, true) });
  assert.equal(port, 1983);
  const secured = runningCluster(context, false);
  assert.throws(() => chooseTarget({ ...DEFAULTS, data: secured }), /no plain listener.*--as/);
});

test('--ws takes the WebSocket of the same place', (context) => {
  const data = runningCluster(context, true);
  const ws = { ...DEFAULTS, ws: true };
  const target = (more: object): string => {
    const { protocol, host, port, path } = chooseTarget({ ...ws, ...more });
    return `${protocol}://${host}:${port}${path}`;
  };
  assert.equal(target({ data }), 'ws://localhost:8183/mqtt');
  assert.equal(target({ data, as: 'thermostat', gateway: 2 }), 'wss://localhost:8544/mqtt');
  assert.equal(target({ host: 'broker.test' }), 'ws://broker.test:8083/mqtt');
  const cafile = join(data, 'certs/ca.pem');
  assert.equal(target({ host: 'broker.test', cafile }), 'wss://broker.test:8443/mqtt');
  assert.equal(target({ host: 'broker.test', port: 1 }), 'ws://broker.test:1/mqtt');
  assert.throws(() => target({ data: runningCluster(context, false) }), /no plain listener/);
});

test('no cluster and no such gateway are told with what to do', (context) => {
  assert.throws(() => chooseTarget(DEFAULTS), /no cluster runs on nowhere: .*npm start/);
  const data = runningCluster(context, true);
  assert.throws(() => chooseTarget({ ...DEFAULTS, data, gateway: 3 }), /no gateway 3: there are 2/);
});

test('failures are told with the reason code where there is one', () => {
  const refused = Object.assign(new Error('Connection refused: Not authorized'), { code: 0x87 });
  assert.equal(describeFailure(refused), 'refused with 0x87 (Not authorized)');
  const system = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONN' });
  assert.equal(describeFailure(system), 'connect ECONNREFUSED 127.0.0.1:1');
  assert.equal(describeFailure(new Error('')), 'the connection was closed');
});

test('numbers are whole and QoS is one of three', () => {
  assert.equal(wholeNumber('8883'), 8883);
  for (const text of ['', '-1', '1.5', '0x1', '1e9']) assert.throws(() => wholeNumber(text));
  assert.equal(qualityOfService('2'), 2);
  assert.throws(() => qualityOfService('3'));
});

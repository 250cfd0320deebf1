import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '#base';
import { createLogger, createMetrics, loadConfig } from '#runtime';
import type { Environment } from '#runtime';
import { GATEWAY_SETTINGS } from '../../../services/gateway/config.ts';
import type { ListenerPlan } from '../../../services/gateway/listener-plan.ts';
import { planListeners } from '../../../services/gateway/listeners.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';

let directory = '';
let tls: Environment;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weir-listeners-'));
  const { pem, keyPem } = await makeCertificate({ commonName: 'localhost' });
  tls = {
    WEIR_TLS_CERT_FILE: join(directory, 'a.pem'),
    WEIR_TLS_KEY_FILE: join(directory, 'a.key'),
  };
  writeFileSync(join(directory, 'a.pem'), pem);
  writeFileSync(join(directory, 'a.key'), keyPem);
});
after(() => rmSync(directory, { recursive: true, force: true }));

function plan(env: Environment): readonly ListenerPlan[] {
  const logger = createLogger({ name: 'gateway', level: 'silent' });
  const parts = { clock: systemClock, logger, metrics: createMetrics() };
  return planListeners(loadConfig(GATEWAY_SETTINGS, env), parts).plans;
}

const shape = (plans: readonly ListenerPlan[]) =>
  plans.map(({ name, host, port, speaks }) => `${name} ${host}:${port} ${speaks}`);

test('each port that is set has its listener; the open ones are on loopback', () => {
  assert.deepEqual(shape(plan(tls)), ['mqtts 0.0.0.0:8883 mqtt']);
  const all = {
    ...tls,
    WEIR_MQTT_TLS_HOST: '::',
    WEIR_MQTT_TLS_SHARED: 'true',
    WEIR_MQTT_WSS_PORT: '8443',
    WEIR_MQTT_PLAIN_PORT: '1883',
    WEIR_MQTT_WS_PORT: '8083',
  };
  assert.deepEqual(shape(plan(all)), [
    'mqtts :::8883 both',
    'wss :::8443 websocket',
    'mqtt 127.0.0.1:1883 mqtt',
    'ws 127.0.0.1:8083 websocket',
  ]);
  assert.deepEqual(shape(plan({ WEIR_MQTT_WS_PORT: '0' })), ['ws 127.0.0.1:0 websocket']);
});

test('ranges, proxies and limits are those of one listener', () => {
  const [mqtts, wss] = plan({
    ...tls,
    WEIR_MQTT_WSS_PORT: '0',
    WEIR_MQTT_TLS_ALLOWED_FROM: '10.0.0.0/8',
    WEIR_MQTT_TLS_CONNECTIONS_MAX: '5',
    WEIR_MQTT_WSS_PROXIES_FROM: '192.0.2.1',
    WEIR_MQTT_WSS_CONNECTIONS_MAX: '6',
  });
  assert.ok(mqtts?.allowedFrom?.has('10.1.1.1') && mqtts.proxiesFrom === undefined);
  assert.ok(wss?.proxiesFrom?.has('192.0.2.1') && wss.allowedFrom === undefined);
  assert.deepEqual([mqtts?.connectionCountMax, wss?.connectionCountMax], [5, 6]);
});

test('origins: all with TLS, those of this machine without, or those of the list', () => {
  const origins = ['https://a.test', 'http://localhost:3000', 'http://[::1]', 'null'];
  const allowed = (plans: readonly ListenerPlan[]) =>
    plans
      .filter(({ speaks }) => speaks === 'websocket')
      .map(({ webSocket }) => origins.filter((origin) => webSocket.isOriginAllowed(origin)));
  const both = { ...tls, WEIR_MQTT_WSS_PORT: '0', WEIR_MQTT_WS_PORT: '0' };
  assert.deepEqual(allowed(plan(both)), [origins, origins.slice(1, 3)]);
  const listed = plan({ ...both, WEIR_MQTT_WS_ORIGINS: 'HTTPS://A.test, null' });
  assert.deepEqual(allowed(listed), [
    ['https://a.test', 'null'],
    ['https://a.test', 'null'],
  ]);
});

test('settings that do not fit together are told', () => {
  const faults: [env: Environment, says: RegExp][] = [
    [{}, /must both be set for MQTT over TLS/],
    [{ WEIR_TLS_CERT_FILE: 'x' }, /must both be set/],
    [{ WEIR_MQTT_WSS_PORT: '0' }, /WEIR_MQTT_WSS_PORT needs WEIR_TLS_CERT_FILE/],
    [{ ...tls, WEIR_TLS_MORE_CERT_FILES: 'a,b', WEIR_TLS_MORE_KEY_FILES: 'a' }, /as many files/],
    [{ ...tls, WEIR_TLS_MORE_CERT_FILES: 'a', WEIR_TLS_MORE_KEY_FILES: 'b' }, /a cannot be read/],
    [{ ...tls, WEIR_MQTT_TLS_ALLOWED_FROM: '10.0.0.0/99' }, /WEIR_MQTT_TLS_ALLOWED_FROM/],
    [{ ...tls, WEIR_MQTT_WS_PATH: 'mqtt' }, /WEIR_MQTT_WS_PATH/],
  ];
  for (const [env, says] of faults) assert.throws(() => plan(env), says);
});

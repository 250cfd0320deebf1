/**
 * Demo — a simulated thermostat, its dashboard and a webhook: what the first page of Weir promises.
 *
 * The thermostat publishes once a second through gateway 1, the dashboard is subscribed on the last
 * gateway, both with their certificates over TLS; CloudEvents arrive at the webhook receiver. Runs
 * as a process of `weir dev`; its clients connect again by themselves.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { connect } from 'mqtt';
import type { MqttClient } from 'mqtt';
import { exitWithParent, onShutdown } from '#runtime';
import { requireEndpoints } from '../dev/endpoints.ts';
import type { Endpoints } from '../dev/endpoints.ts';
import { serveDemoWebhook } from './demo-webhook.ts';
import { Journeys } from './journey.ts';

const PUBLISH_EVERY_MS = 1_000;
const RECONNECT_MS = 500;
/** Gateways start beside the demo: that they do not answer at once is no news. */
const START_QUIET_MS = 5_000;
const TOPIC = 'demo/thermostat/temperature';

export function demoCommand(program: Command): void {
  program
    .command('demo', { hidden: true })
    .description('the demo of `weir dev`, as its own process')
    .requiredOption('--data <dir>', 'data directory of the cluster')
    .action((options: { data: string }) => runDemo(requireEndpoints(options.data)));
}

async function runDemo(endpoints: Endpoints): Promise<void> {
  exitWithParent();
  const lastGateway = endpoints.ports.gateways.length;
  const journeys = new Journeys(
    `dashboard on gateway-${lastGateway}`,
    (line) => console.log(line),
    () => performance.now(),
  );
  const webhook = await serveDemoWebhook(endpoints.ports.webhook ?? 0, (event) => {
    const number = readingNumber(event.data);
    if (number !== undefined) journeys.routed(number, event.id);
  });
  const dashboard = connectAs('dashboard', endpoints, lastGateway);
  dashboard.on('connect', () => dashboard.subscribe('demo/#', { qos: 1 }));
  dashboard.on('message', (_topic, payload) => {
    const number = readingNumber(parseJson(payload.toString()));
    if (number !== undefined) journeys.delivered(number);
  });
  const thermostat = connectAs('thermostat', endpoints, 1);
  const timer = setInterval(() => {
    journeys.checkLate();
    if (thermostat.connected && dashboard.connected) publishReading(thermostat, journeys);
  }, PUBLISH_EVERY_MS);
  onShutdown(async () => {
    clearInterval(timer);
    webhook.close();
    await Promise.all([thermostat.endAsync(true), dashboard.endAsync(true)]);
  });
}

function connectAs(name: string, endpoints: Endpoints, gatewayNumber: number): MqttClient {
  const { ca, directory } = endpoints.certificates;
  const client = connect({
    protocol: 'mqtts',
    host: 'localhost',
    port: endpoints.ports.gateways[gatewayNumber - 1]?.tls ?? 0,
    ca: readFileSync(ca),
    cert: readFileSync(join(directory, `${name}.pem`)),
    key: readFileSync(join(directory, `${name}.key`)),
    username: name,
    clientId: `demo-${name}`,
    protocolVersion: 5,
    clean: true,
    reconnectPeriod: RECONNECT_MS,
  });
  let trouble = '';
  const quietUntilMs = performance.now() + START_QUIET_MS;
  client.on('error', (cause) => {
    // Said once per kind: it connects again by itself.
    if (cause.message === trouble || performance.now() < quietUntilMs) return;
    trouble = cause.message;
    console.log(`${name} cannot connect: ${cause.message || 'no answer'}`);
  });
  client.on('connect', () => (trouble = ''));
  return client;
}

/** Readings are numbered by the clock, so that a restarted demo does not take old ones for new. */
function publishReading(thermostat: MqttClient, journeys: Journeys): void {
  const number = Date.now();
  const celsius = Number((21 + 2 * Math.sin(number / 20_000)).toFixed(1));
  journeys.published(number, `${celsius.toFixed(1)} °C`);
  const payload = JSON.stringify({ number, celsius });
  const properties = { contentType: 'application/json' };
  thermostat.publish(TOPIC, payload, { qos: 1, properties }, (cause) => {
    if (cause) console.log(`the reading was not accepted: ${cause.message}`);
  });
}

function readingNumber(data: unknown): number | undefined {
  if (typeof data !== 'object' || data === null || !('number' in data)) return undefined;
  return typeof data.number === 'number' ? data.number : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Somebody else publishes under demo/ too.
    return undefined;
  }
}

/** `weir pub` — publishes a message, once or several times, or each line of standard input. */
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { IClientPublishOptions, MqttClient } from 'mqtt';
import { Fault } from '#base';
import {
  addConnectionOptions,
  connectClient,
  describeFailure,
  hexCode,
  qualityOfService,
  wholeNumber,
} from './connection-options.ts';
import type { ConnectionOptions } from './connection-options.ts';

interface PublishOptions extends ConnectionOptions {
  readonly topic: string;
  readonly message?: string;
  readonly lines?: boolean;
  readonly qos: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly contentType?: string;
  readonly count: number;
  readonly interval: number;
}

/** Publishes of `--lines` that wait for their acknowledgement; then reading pauses. */
const UNACKNOWLEDGED_MAX = 100;

export function publishCommand(program: Command): void {
  const command = program.command('pub').description('publish to a topic');
  addConnectionOptions(command)
    .requiredOption('-t, --topic <topic>', 'topic name')
    .option('-m, --message <text>', 'payload; empty if not given')
    .option('-l, --lines', 'publish each line of standard input')
    .option('-q, --qos <qos>', 'quality of service: 0, 1 or 2', qualityOfService, 1)
    .option('-r, --retain', 'retain the message')
    .option('--content-type <type>', 'content type (MQTT 5)')
    .option('--count <number>', 'publish the message so many times', wholeNumber, 1)
    .option('--interval <milliseconds>', 'pause between them', wholeNumber, 0)
    .addHelpText('after', '\nExample: weir pub --as thermostat -t demo/home/temperature -m 21.5')
    .action(publish);
}

async function publish(options: PublishOptions): Promise<void> {
  const client = await connectClient(options, { again: false });
  const send = (payload: string): Promise<void> => sendOne(client, options, payload);
  const lost = whenLost(client);
  try {
    await Promise.race([lost, options.lines === true ? sendLines(send) : sendAgain(options, send)]);
  } finally {
    await client.endAsync();
  }
}

/** Rejects when the broker ends the connection, with its reason if it gave one (MQTT 5). */
function whenLost(client: MqttClient): Promise<never> {
  const lost = new Promise<never>((_resolve, reject) => {
    client.on('disconnect', ({ reasonCode = 0 }) => {
      reject(new Fault('WEIR_CONFIG', `the broker ended the connection: ${hexCode(reasonCode)}`));
    });
    client.on('close', () => reject(new Fault('WEIR_CONFIG', 'the connection was closed')));
    client.on('error', (cause) => reject(cause));
  });
  // Our own end closes it too, when nobody waits any longer.
  lost.catch(() => undefined);
  return lost;
}

async function sendAgain(
  { message = '', count, interval }: PublishOptions,
  send: (payload: string) => Promise<void>,
): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) {
    if (sent > 0 && interval > 0) await pause(interval);
    await send(message);
  }
}

async function sendLines(send: (payload: string) => Promise<void>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for await (const line of createInterface({ input: process.stdin })) {
    const sending: Promise<void> = send(line).finally(() => underWay.delete(sending));
    underWay.add(sending);
    if (underWay.size >= UNACKNOWLEDGED_MAX) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

async function sendOne(
  client: MqttClient,
  options: PublishOptions,
  payload: string,
): Promise<void> {
  const { topic, qos, retain = false, contentType, protocolVersion } = options;
  const withType = contentType !== undefined && protocolVersion === 5;
  const packet: IClientPublishOptions = {
    qos,
    retain,
    ...(withType ? { properties: { contentType } } : {}),
  };
  try {
    await client.publishAsync(topic, payload, packet);
  } catch (cause) {
    throw new Fault('WEIR_CONFIG', `cannot publish to ${topic}: ${describeFailure(cause)}`, cause);
  }
}

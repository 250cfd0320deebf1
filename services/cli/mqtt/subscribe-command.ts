/**
 * `weir sub` — prints what arrives: one payload a line, with its topic when asked.
 *
 * Lost connection: says so on standard error, connects and subscribes again by itself.
 * Ends: after --count messages, after --timeout seconds (exit code 1 if it waited in vain), or by a
 * signal.
 */
import type { Command } from 'commander';
import type { ISubscriptionGrant, MqttClient } from 'mqtt';
import { Fault } from '#base';
import {
  REFUSED_FROM,
  addConnectionOptions,
  connectClient,
  describeFailure,
  hexCode,
  qualityOfService,
  wholeNumber,
} from './connection-options.ts';
import type { ConnectionOptions } from './connection-options.ts';

interface SubscribeOptions extends ConnectionOptions {
  readonly topic: readonly string[];
  readonly qos: 0 | 1 | 2;
  readonly verbose?: boolean;
  readonly count?: number;
  readonly timeout?: number;
}

export function subscribeCommand(program: Command): void {
  const command = program.command('sub').description('subscribe to topic filters and print');
  addConnectionOptions(command)
    .requiredOption('-t, --topic <filter...>', 'topic filter; may be given several times')
    .option('-q, --qos <qos>', 'maximum quality of service: 0, 1 or 2', qualityOfService, 1)
    .option('-v, --verbose', 'print the topic before each payload')
    .option('-c, --count <number>', 'end after so many messages', wholeNumber)
    .option('-W, --timeout <seconds>', 'end after so many seconds', wholeNumber)
    .addHelpText('after', "\nExample: weir sub --as dashboard --gateway 2 -t 'demo/#' -v")
    .action(subscribe);
}

async function subscribe(options: SubscribeOptions): Promise<void> {
  const client = await connectClient(options, { again: true });
  const finished = printMessages(client, options);
  client.on('disconnect', ({ reasonCode = 0 }) => {
    console.error(`the broker ended the connection: ${hexCode(reasonCode)}`);
  });
  client.on('reconnect', () => console.error('connection lost, connecting again'));
  client.on('error', (cause) => console.error(describeFailure(cause)));
  try {
    const granted = await client.subscribeAsync([...options.topic], { qos: options.qos });
    checkGranted(granted);
    console.error(`subscribed to ${options.topic.join(', ')}`);
  } catch (cause) {
    await client.endAsync(true);
    if (cause instanceof Fault) throw cause;
    const which = options.topic.join(', ');
    const why = describeFailure(cause);
    throw new Fault('WEIR_CONFIG', `cannot subscribe to ${which}: ${why}`, cause);
  }
  const complete = await finished;
  await client.endAsync();
  if (!complete) process.exitCode = 1;
}

/** Resolves at the end: true when nothing that was asked for is missing. */
function printMessages(client: MqttClient, options: SubscribeOptions): Promise<boolean> {
  return new Promise((resolve) => {
    let seen = 0;
    client.on('message', (topic, payload) => {
      if (options.count !== undefined && seen >= options.count) return;
      seen += 1;
      const text = payload.toString();
      console.log(options.verbose === true ? `${topic} ${text}` : text);
      if (seen === options.count) resolve(true);
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(true));
    if (options.timeout !== undefined) {
      setTimeout(() => resolve(options.count === undefined), options.timeout * 1_000).unref();
    }
  });
}

function checkGranted(granted: readonly ISubscriptionGrant[]): void {
  for (const { topic, qos } of granted) {
    if (qos < REFUSED_FROM) continue;
    throw new Fault('WEIR_CONFIG', `cannot subscribe to ${topic}: refused with ${hexCode(qos)}`);
  }
}

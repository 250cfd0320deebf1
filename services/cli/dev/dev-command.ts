/** `weir dev` — the options of the development cluster. */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_DATA } from './endpoints.ts';
import { DISPATCHERS_MAX, GATEWAYS_MAX, NATS_COUNTS, OFFSET_MAX } from './ports.ts';
import type { NatsCount } from './ports.ts';
import type { Environment } from './process-table.ts';

/** Partitions of the log; fixed when the data directory is made. */
const PARTITIONS_MAX = 64;

export interface DevOptions {
  readonly portOffset: number | 'auto';
  readonly data: string;
  readonly gateways: number;
  readonly dispatchers: number;
  readonly partitions: number;
  /** Number of nats-servers, and of copies of each stream. */
  readonly nats: NatsCount;
  readonly demo: boolean;
  readonly plain: boolean;
  readonly restart: boolean;
  /** Take `start NAME` lines from standard input and end when it closes; for tests. */
  readonly controlStdin?: boolean;
}

export function devCommand(program: Command, env: Environment): void {
  program
    .command('dev')
    .description('run a development cluster on this machine')
    .addOption(
      new Option('--port-offset <number>', 'shift all ports; auto = free ones')
        .default(0)
        .argParser(portOffset),
    )
    .option('--data <dir>', 'directory of all state', DEFAULT_DATA)
    .option('--gateways <number>', 'number of gateways', count(1, GATEWAYS_MAX), 2)
    .option('--dispatchers <number>', 'number of dispatchers', count(1, DISPATCHERS_MAX), 1)
    .option('--partitions <number>', 'log partitions of new data', count(1, PARTITIONS_MAX), 2)
    .option('--nats <number>', 'nats-servers of new data, 1 or 3', natsCount, 1)
    .option('--no-demo', 'no thermostat, no webhook, no event subscription')
    .option('--no-plain', 'no plain MQTT listeners on loopback')
    .option('--no-restart', 'leave a process that ends down')
    .addOption(new Option('--control-stdin', 'take commands from standard input').hideHelp())
    .action(async (options: DevOptions) => {
      const { runDevCluster } = await import('./dev-cluster.ts');
      process.exitCode = await runDevCluster(options, env);
    });
}

function portOffset(text: string): number | 'auto' {
  return text === 'auto' ? text : count(0, OFFSET_MAX)(text);
}

function natsCount(text: string): NatsCount {
  const found = NATS_COUNTS.find((number) => String(number) === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`It must be ${NATS_COUNTS.join(' or ')}.`);
}

function count(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

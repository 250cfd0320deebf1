/** Machine — what the figures were measured on. */
import { execFile } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { findNatsServer } from '../../scripts/setup/nats-server.mjs';
import type { Broker } from './broker.ts';

const GIB = 1024 ** 3;

export interface RunShape {
  readonly rounds: number;
  readonly seconds: number;
}

export async function describeMachine(
  fsyncsPerSecond: number,
  brokers: readonly Broker[],
  { rounds, seconds }: RunShape,
): Promise<string> {
  const versions = brokers.map(({ name, version }) => `${name} ${version}`);
  return [
    await describeHost(fsyncsPerSecond, versions),
    `counted   all processes of Weir (gateways, dispatcher, router, control, nats-server); ` +
      `medians of ${rounds} runs of ${seconds} s`,
  ].join('\n');
}

/** Disk, machine and versions. */
export async function describeHost(
  fsyncsPerSecond: number,
  versions: readonly string[],
): Promise<string> {
  const cores = cpus();
  const memoryGib = (totalmem() / GIB).toFixed(0);
  const load = loadavg()[0] ?? 0;
  const all = [`node ${process.versions.node}`, `nats-server ${await natsVersion()}`, ...versions];
  return [
    `disk      ${Math.round(fsyncsPerSecond).toLocaleString('en')} fsyncs/s before the runs`,
    `machine   ${cores.length} × ${cores[0]?.model ?? 'unknown'}, ${memoryGib} GiB, ` +
      `Linux ${release()}, load ${load.toFixed(1)}`,
    `versions  ${all.join(', ')}`,
  ].join('\n');
}

async function natsVersion(): Promise<string> {
  const program = findNatsServer();
  if (program === undefined) return 'of unknown version';
  const { stdout } = await promisify(execFile)(program, ['-v']);
  return /v(\d[\w.-]*)/.exec(stdout)?.[1] ?? 'of unknown version';
}

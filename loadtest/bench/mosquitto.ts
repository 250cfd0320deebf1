/**
 * Mosquitto — the broker that everybody knows, as the measure: in memory, on loopback.
 *
 * Settings are its defaults, but for what would make the rows unfair: no limit of messages in
 * flight or queued, so that nothing is dropped. `set_tcp_nodelay` stays off: that costs it less CPU
 * per message. Started as root it would become another user, who cannot read our keys.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BenchCertificates, Broker } from './broker.ts';

const LOOPBACK = '127.0.0.1';
const START_LIMIT_MS = 5_000;
const POLL_MS = 20;
/** Debian puts it where a user's PATH may not look. */
const SYSTEM_DIRECTORIES = ['/usr/sbin', '/usr/local/sbin'];

/** Absolute path, or undefined when it is not installed. */
export function findMosquitto(path: string): string | undefined {
  const directories = [...path.split(delimiter).filter(Boolean), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, 'mosquitto')).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not ours to run.
    return false;
  }
}

/** Resolves when it listens. `directory` gets its configuration. */
export async function startMosquitto(
  program: string,
  directory: string,
  certificates: BenchCertificates,
): Promise<Broker> {
  const [port, tlsPort] = [await freePort(), await freePort()];
  const file = join(directory, 'mosquitto.conf');
  writeFileSync(file, configuration(port, tlsPort, certificates));
  const child = spawn(program, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)));
  const exited = once(child, 'exit');
  const end = (): void => void child.kill('SIGKILL');
  process.on('exit', end);
  const deadlineMs = performance.now() + START_LIMIT_MS;
  while (!(await answers(port))) {
    if (performance.now() > deadlineMs || child.exitCode !== null) {
      end();
      throw new Error(`mosquitto did not start: ${said}`);
    }
    await setTimeout(POLL_MS);
  }
  return {
    name: 'mosquitto',
    version: await versionOf(program),
    pids: [child.pid ?? 0],
    port,
    otherPort: port,
    tlsPort,
    stop: async () => {
      process.off('exit', end);
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function configuration(port: number, tlsPort: number, { ca, server }: BenchCertificates): string {
  return [
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    'persistence false',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    'log_dest stderr',
    'log_type error',
    'allow_anonymous true',
    `listener ${port} ${LOOPBACK}`,
    `listener ${tlsPort} ${LOOPBACK}`,
    `cafile ${ca}`,
    `certfile ${server.cert}`,
    `keyfile ${server.key}`,
    'require_certificate true',
    '',
  ].join('\n');
}

async function versionOf(program: string): Promise<string> {
  // It prints its usage and ends with code 3.
  const { stdout } = await promisify(execFile)(program, ['-h']).catch(
    (cause: { stdout?: string }) => ({ stdout: cause.stdout ?? '' }),
  );
  return /version (\S+)/.exec(stdout)?.[1] ?? 'of unknown version';
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

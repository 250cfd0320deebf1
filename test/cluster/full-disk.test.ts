/**
 * The disk of nats-server is full: nothing is acknowledged that is not on it, nobody ends, and once
 * there is room and nats-server was started again, all go on where they stood.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findNatsServer } from '../../scripts/setup/nats-server.mjs';
import { readClusterState } from '../fixtures/cluster-state.ts';
import { ClusterTraffic } from '../fixtures/cluster-traffic.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import { SmallDisk } from '../fixtures/small-disk.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const DISK_BYTES = 96 * 1024 * 1024;
/** Traffic fills it within seconds. */
const LEFT_BYTES = 256 * 1024;
/** As many as it keeps without PUBACK. */
const OPEN_MAX = 900;

/** nats-server takes a part of the disk that it finds; this one believes in a large one. */
function believingServer(directory: string): string {
  const binary = findNatsServer();
  assert.ok(binary !== undefined, 'nats-server is there');
  mkdirSync(join(directory, 'bin'));
  const path = join(directory, 'bin', 'nats-server');
  const lines = [
    '#!/bin/sh',
    `[ "$1" = -c ] || exec '${binary}' "$@"`,
    `sed '/sync_interval/a max_file_store: 1TB' "$2" > "$2.large" || exit 1`,
    `exec '${binary}' -c "$2.large"`,
    '',
  ];
  writeFileSync(path, lines.join('\n'));
  chmodSync(path, 0o755);
  return path;
}

const disk = SmallDisk.mount(DISK_BYTES);
const skip = disk === undefined ? 'no small file system can be mounted here' : false;

test('a full disk loses nothing and ends nobody', { skip }, async (t) => {
  assert.ok(disk !== undefined);
  const env = { WEIR_NATS_SERVER: believingServer(disk.path) };
  const dataDir = join(disk.path, 'data');
  const ends: (() => unknown)[] = [() => disk.unmount()];
  t.after(async () => {
    for (const end of ends) await end();
  });
  const cluster = await startDevCluster({ plain: false, dispatchers: 2, dataDir, env });
  ends.unshift(() => cluster.stop());
  const traffic = await ClusterTraffic.start(cluster, { perSecond: 1_000 });
  ends.unshift(() => traffic.close());
  const { publisher } = traffic;
  const before = cluster.pids();
  const stateBefore = await readClusterState(cluster);

  disk.fill(LEFT_BYTES);
  const health = `http://127.0.0.1:${cluster.ports.nats[0]?.http}/healthz`;
  const isFull = async (): Promise<boolean> => !(await fetch(health)).ok;
  await waitFor(isFull, { limitMs: 30_000, pollMs: 100, what: 'nats-server says that it is full' });
  assert.match(await (await fetch(health)).text(), /no space left on device/);
  await waitFor(() => publisher.openCount >= OPEN_MAX, { what: 'publishers wait' });
  const acked = publisher.acked.size;
  // Longer than their leases: whoever cannot renew does nothing more, and nobody takes over.
  const stand = (name: string): boolean =>
    new RegExp(`^${name} .*standing still`, 'm').test(cluster.logs());
  await waitFor(() => ['dispatcher-1', 'dispatcher-2', 'router'].every(stand), {
    what: 'all readers stand still',
  });
  assert.equal(publisher.acked.size, acked, 'nothing is acknowledged that is not on disk');
  assert.deepEqual(cluster.pids(), before, 'nobody has ended');

  disk.empty();
  await cluster.kill('nats', 'SIGTERM');
  await cluster.restart('nats');
  await traffic.whenFlowing();
  const counts = await traffic.verify().catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${cluster.logs()}`, { cause });
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.publisherConnectionsLost + counts.subscriberConnectionsLost, 0);
  assert.equal(counts.repeatedByPublisher, 0, 'publishes went on by themselves');
  assert.deepEqual(await readClusterState(cluster), stateBefore, 'processes, leases and epochs');
});

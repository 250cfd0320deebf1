/**
 * Streams — everything Weir keeps in JetStream, created before anybody needs it.
 *
 * Order: the cluster settings are looked for before anything is touched: data of another layout is
 *        left alone. Then the registry's stream, which holds them, for they say how many of the
 *        others there are; then the others.
 * Again: each start does it again: what a later version adds is created, what it limits otherwise
 *        is updated. Partitions and replicas are those that stand.
 */
import type { Bus, StreamConfig } from '#bus';
import { leaseStreamConfig } from '#lease';
import { logStreamConfig } from '#log';
import { READER_GROUPS } from '#reader';
import {
  findClusterSettings,
  LAYOUT_VERSION,
  registryStreamConfig,
  writeClusterSettings,
} from '#registry';
import type { ClusterSettings } from '#registry';
import { sessionStreamConfig } from '#session-store';
import { stateStreamConfig } from '#state';

export interface WantedCluster {
  readonly partitions: number;
  readonly replicas: number;
  /** What one LOG stream may hold; default that of lib/log. */
  readonly logBytesMax?: number;
}

/**
 * The settings that stand, which may be older than `wanted`. Throws Fault. `onWait` is told again
 * and again why it takes longer: the cluster has no leader yet, or too few servers.
 */
export async function ensureCluster(
  bus: Bus,
  wanted: WantedCluster,
  onWait?: (why: string) => void,
): Promise<ClusterSettings> {
  const { partitions, replicas } = wanted;
  const found = await findClusterSettings(bus, onWait === undefined ? {} : { onWait });
  await bus.ensureStream(registryStreamConfig(found?.replicas ?? replicas), onWait);
  const first = { partitions, replicas, layoutVersion: LAYOUT_VERSION };
  const settings = found ?? (await writeClusterSettings(bus, first));
  for (const config of streamConfigs(settings, wanted.logBytesMax))
    await bus.ensureStream(config, onWait);
  return settings;
}

function streamConfigs(
  { partitions, replicas }: ClusterSettings,
  logBytesMax: number | undefined,
): StreamConfig[] {
  const configs = [leaseStreamConfig(replicas)];
  for (let partition = 0; partition < partitions; partition++) {
    configs.push(logStreamConfig(partition, replicas, logBytesMax));
    configs.push(sessionStreamConfig(partition, replicas));
    for (const group of READER_GROUPS) configs.push(stateStreamConfig(group, partition, replicas));
  }
  return configs;
}

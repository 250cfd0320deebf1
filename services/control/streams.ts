/**
 * Streams — everything Weir keeps in JetStream, created before anybody needs it.
 *
 * Order: the registry's stream first, for the cluster settings in it say how many of the others
 *        there are; then the others. All idempotent: each start does it again.
 */
import type { Bus } from '#bus';
import { leaseStreamConfig } from '#lease';
import { logStreamConfig } from '#log';
import { LAYOUT_VERSION, registryStreamConfig, writeClusterSettings } from '#registry';
import type { ClusterSettings } from '#registry';
import { sessionStreamConfig } from '#session-store';
import { stateStreamConfig } from '#state';

/** Reader groups that have state logs. */
const READER_GROUPS = ['dispatch', 'router'] as const;

export interface WantedCluster {
  readonly partitions: number;
  readonly replicas: number;
}

/** The settings that stand, which may be older than `wanted`. Throws Fault. */
export async function ensureCluster(bus: Bus, wanted: WantedCluster): Promise<ClusterSettings> {
  const { partitions, replicas } = wanted;
  await bus.ensureStream(registryStreamConfig(replicas));
  const first = { partitions, replicas, layoutVersion: LAYOUT_VERSION };
  const settings = await writeClusterSettings(bus, first);
  await bus.ensureStream(leaseStreamConfig(settings.replicas));
  for (let partition = 0; partition < settings.partitions; partition++) {
    await bus.ensureStream(logStreamConfig(partition, settings.replicas));
    await bus.ensureStream(sessionStreamConfig(partition, settings.replicas));
    for (const group of READER_GROUPS) {
      await bus.ensureStream(stateStreamConfig(group, partition, settings.replicas));
    }
  }
  return settings;
}

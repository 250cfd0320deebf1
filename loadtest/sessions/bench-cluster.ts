/**
 * Bench cluster — Weir for one row: two gateways, one dispatcher, data of its own, a probe in every
 * process, and windows of time over which CPU, memory and pauses of the loops are taken.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bus, connectNats } from '#bus';
import { readMetric } from '../../test/fixtures/cluster-state.ts';
import { startDevCluster } from '../../test/fixtures/dev-cluster.ts';
import type { DevCluster } from '../../test/fixtures/dev-cluster.ts';
import { waitFor } from '../../test/fixtures/wait-for.ts';
import type { ProbeReading } from './loop-probe.ts';
import { readUsages, usedCpu } from './process-usage.ts';
import type { Usages } from './process-usage.ts';

export const PARTITIONS = 2;
const PROBE = join(import.meta.dirname, 'loop-probe.ts');
/** Collecting garbage of a large heap takes seconds. */
const PROBE_LIMIT_MS = 30_000;

/** What a span of time cost, per process by name. */
export interface WindowUsage {
  readonly ms: number;
  readonly cpuSeconds: Readonly<Record<string, number>>;
  readonly cpuSecondsTotal: number;
  readonly after: Usages;
  /** Of Node processes. */
  readonly readings: Readonly<Record<string, ProbeReading>>;
}

export class BenchCluster {
  readonly cluster: DevCluster;
  /** Where the probes of its processes write. */
  readonly probes: string;
  readonly #names = new Map<number, string>();
  readonly #windows = new Map<number, number>();
  #before: Usages = {};
  #beganMs = 0;

  static async start(
    directory: string,
    profiles: boolean,
    env: Readonly<Record<string, string>> = {},
  ): Promise<BenchCluster> {
    const probes = join(directory, 'probes');
    mkdirSync(probes, { recursive: true });
    const cluster = await startDevCluster({
      dataDir: join(directory, 'weir'),
      dispatchers: 1,
      partitions: PARTITIONS,
      env: {
        WEIR_LOG_LEVEL: 'warn',
        WEIR_BENCH_PROBE: probes,
        WEIR_BENCH_PROFILE: profiles ? '1' : '0',
        NODE_OPTIONS: `--import ${PROBE}`,
        ...env,
      },
    });
    return new BenchCluster(cluster, probes);
  }

  private constructor(cluster: DevCluster, probes: string) {
    this.cluster = cluster;
    this.probes = probes;
  }

  /** Plain listeners of the gateways. */
  get ports(): readonly [number, number] {
    const [first, second] = this.cluster.ports.gateways;
    if (first?.plain === undefined || second?.plain === undefined) {
      throw new Error('the cluster has no two plain listeners');
    }
    return [first.plain, second.plain];
  }

  pids(): Readonly<Record<string, number>> {
    return this.cluster.pids();
  }

  /** Sum over label sets of a metric of the dispatcher. */
  dispatcherMetric(name: string): Promise<number> {
    return readMetric(this.cluster.ports.dispatchers[0] ?? 0, name);
  }
  gatewayMetric(gateway: number, name: string): Promise<number> {
    return readMetric(this.cluster.ports.gateways[gateway]?.http ?? 0, name);
  }

  /** A connection of one's own to the cluster's NATS. */
  connectBus(): Promise<Bus> {
    const port = this.cluster.ports.nats[0]?.client ?? 0;
    return connectNats({ servers: [`127.0.0.1:${port}`], name: 'bench' });
  }

  /** Of a process that has run while a window began or ended. */
  nameOf(pid: number): string | undefined {
    return this.#names.get(pid);
  }

  async beginWindow(): Promise<void> {
    await this.#probe();
    this.#before = readUsages(this.pids());
    this.#beganMs = performance.now();
  }

  async endWindow(): Promise<WindowUsage> {
    const ms = performance.now() - this.#beganMs;
    const used = readUsages(this.pids());
    const cpuSeconds = usedCpu(this.#before, used);
    const readings = await this.#probe();
    // Resident after the collection that the probe asks for.
    const after = readUsages(this.pids());
    const cpuSecondsTotal = Object.values(cpuSeconds).reduce((sum, part) => sum + part, 0);
    return { ms, cpuSeconds, cpuSecondsTotal, after, readings };
  }

  async #probe(): Promise<Record<string, ProbeReading>> {
    const pids = Object.entries(this.pids()).filter(([name]) => !name.startsWith('nats'));
    const readings: Record<string, ProbeReading> = {};
    // One after the other: collecting takes a core.
    for (const [name, pid] of pids) {
      const number = this.#windows.get(pid) ?? 0;
      this.#windows.set(pid, number + 1);
      this.#names.set(pid, name);
      process.kill(pid, 'SIGUSR2');
      const path = join(this.probes, `${pid}.${number}.json`);
      const read = (): string | undefined => {
        try {
          return readFileSync(path, 'utf8');
        } catch {
          // Not written yet.
          return undefined;
        }
      };
      const text = await waitFor(read, { limitMs: PROBE_LIMIT_MS, what: `probe of ${name}` });
      readings[name] = JSON.parse(text) as ProbeReading;
    }
    return readings;
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
  }
}

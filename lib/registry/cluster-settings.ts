/**
 * Cluster settings — what all processes must agree on, written once by control.
 *
 * Where: record `cluster.settings` of the registry's stream; fixed for the life of the data.
 * Ends:  `readClusterSettings` waits until control wrote it, at most SETTINGS_WAIT_MS, then throws
 *        a Fault. `writeClusterSettings` never overwrites: it returns what stands.
 */
import { Fault } from '#base';
import type { Clock } from '#base';
import { systemClock } from '#base';
import type { AppendResult, Bus, GetResult } from '#bus';
import { CLUSTER_SETTINGS_SUBJECT, REGISTRY_STREAM } from './names.ts';

export interface ClusterSettings {
  /** Log partitions, 1–99. */
  readonly partitions: number;
  /** Copies of each stream: 1, 3 or 5. */
  readonly replicas: number;
  /** Version of records, frames, state and leases together. */
  readonly layoutVersion: number;
}

/** The layouts that this program reads and writes. */
export const LAYOUT_VERSION = 1;

/** How long a process waits for control's first start, ms. Control itself needs < 5 s. */
export const SETTINGS_WAIT_MS = 30_000;
const ATTEMPT_PAUSE_MS = 200;

export interface SettingsOptions {
  readonly clock?: Clock;
  /** Default SETTINGS_WAIT_MS. */
  readonly waitMs?: number;
}

/** Waits for the record. Throws Fault WEIR_BUS_TIMEOUT, WEIR_DATA_VERSION or WEIR_WIRE. */
export async function readClusterSettings(
  bus: Bus,
  options: SettingsOptions = {},
): Promise<ClusterSettings> {
  const { clock = systemClock, waitMs = SETTINGS_WAIT_MS } = options;
  const deadlineMs = clock.nowMs() + waitMs;
  let why = 'control has not written them yet: is it running on the same NATS?';
  for (;;) {
    const result = await lastSettings(bus);
    if (result.kind === 'found') return checked(decode(result.message.payload));
    if (result.kind === 'undecided') why = `NATS did not answer: ${result.why}`;
    if (clock.nowMs() >= deadlineMs) {
      throw new Fault('WEIR_BUS_TIMEOUT', `no cluster settings within ${waitMs} ms; ${why}`);
    }
    await pause(clock);
  }
}

/**
 * The record that stands; undefined: there is none yet. Throws Fault as `readClusterSettings`. With
 * it control learns that the data is of another layout before it has touched any stream.
 */
export async function findClusterSettings(
  bus: Bus,
  options: SettingsOptions & { readonly onWait?: (why: string) => void } = {},
): Promise<ClusterSettings | undefined> {
  const { clock = systemClock, waitMs = SETTINGS_WAIT_MS } = options;
  const deadlineMs = clock.nowMs() + waitMs;
  for (;;) {
    const result = await lastSettings(bus);
    if (result.kind === 'found') return checked(decode(result.message.payload));
    if (result.kind === 'absent' || result.noStream === true) return undefined;
    const why =
      `cluster settings cannot be read yet: ${result.why}; more than half of the nats-servers ` +
      'must run, with JetStream, and reach each other';
    if (clock.nowMs() >= deadlineMs) throw new Fault('WEIR_BUS_TIMEOUT', why);
    options.onWait?.(why);
    await pause(clock);
  }
}

/**
 * Writes the record unless there is one; returns the one that stands. Throws Fault if NATS does not
 * decide in time or the record is of another layout.
 */
export async function writeClusterSettings(
  bus: Bus,
  settings: ClusterSettings,
  options: SettingsOptions = {},
): Promise<ClusterSettings> {
  const { clock = systemClock, waitMs = SETTINGS_WAIT_MS } = options;
  const deadlineMs = clock.nowMs() + waitMs;
  const payload = Buffer.from(JSON.stringify({ version: 1, ...settings }));
  for (;;) {
    const result = await appendSettings(bus, payload);
    if (result.kind === 'stored' || result.kind === 'refused') break;
    if (result.kind !== 'undecided') {
      const why = result.kind === 'failed' ? result.why : 'the registry is full';
      throw new Fault('WEIR_BUS_REFUSED', `cluster settings cannot be written: ${why}`);
    }
    if (clock.nowMs() >= deadlineMs) {
      throw new Fault('WEIR_BUS_TIMEOUT', `cluster settings cannot be written: ${result.why}`);
    }
    await pause(clock);
  }
  return readClusterSettings(bus, options);
}

function appendSettings(bus: Bus, payload: Buffer): Promise<AppendResult> {
  return new Promise((resolve) => {
    const stream = REGISTRY_STREAM;
    const subject = CLUSTER_SETTINGS_SUBJECT;
    bus.append({ stream, subject, payload, expectedLastSubjectSequence: 0 }, resolve);
  });
}

function lastSettings(bus: Bus): Promise<GetResult> {
  return new Promise((resolve) => {
    bus.lastOnSubject(REGISTRY_STREAM, CLUSTER_SETTINGS_SUBJECT, resolve);
  });
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ATTEMPT_PAUSE_MS, resolve);
  });
}

function decode(payload: Buffer): ClusterSettings {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    if (typeof value === 'object' && value !== null) {
      const { partitions, replicas, layoutVersion } = value as Partial<ClusterSettings>;
      if (
        typeof partitions === 'number' &&
        typeof replicas === 'number' &&
        typeof layoutVersion === 'number'
      ) {
        return Object.freeze({ partitions, replicas, layoutVersion });
      }
    }
  } catch (cause) {
    throw new Fault('WEIR_WIRE', 'the record of the cluster settings is no JSON', cause);
  }
  throw new Fault('WEIR_WIRE', 'the record of the cluster settings lacks a field');
}

function checked(settings: ClusterSettings): ClusterSettings {
  if (settings.layoutVersion === LAYOUT_VERSION) return settings;
  throw new Fault(
    'WEIR_DATA_VERSION',
    `data has layout ${settings.layoutVersion}, this program ${LAYOUT_VERSION}: ` +
      'start the version that wrote it, or begin with empty data',
  );
}

/**
 * Settings of control.
 */
import { Fault } from '#base';
import {
  LOG_RATED_BYTES_DEFAULT,
  LOG_WINDOW_SECONDS_DEFAULT,
  PARTITIONS_DEFAULT,
  PARTITIONS_MAX,
} from '#log';
import { COMMON_SETTINGS, loadConfig } from '#runtime';
import type { Config, Environment, SettingTable } from '#runtime';

export const CONTROL_OWN_SETTINGS = [
  {
    name: 'partitions',
    env: 'WEIR_PARTITIONS',
    unit: 'partitions',
    type: 'integer',
    range: [1, PARTITIONS_MAX],
    default: PARTITIONS_DEFAULT,
    reason: 'Partitions of the log; read at the first start only, then fixed with the data.',
  },
  {
    name: 'replicas',
    env: 'WEIR_REPLICAS',
    unit: 'copies',
    type: 'integer',
    range: [1, 5],
    default: 1,
    reason: 'Copies of each stream, 3 on a NATS cluster; read at the first start only.',
  },
  {
    name: 'logRatedBytes',
    env: 'WEIR_LOG_RATED_BYTES',
    unit: 'bytes per second',
    type: 'integer',
    range: [65_536, 1_073_741_824],
    default: LOG_RATED_BYTES_DEFAULT,
    reason: 'Rate of publishes, bytes, that one partition of the log is laid out for.',
  },
  {
    name: 'logWindowSeconds',
    env: 'WEIR_LOG_WINDOW_SECONDS',
    unit: 'seconds',
    type: 'integer',
    range: [60, 604_800],
    default: LOG_WINDOW_SECONDS_DEFAULT,
    reason:
      'How long a reader may stand still at that rate before the log is full and publishers ' +
      'get 0x97; the product is the limit of each LOG stream.',
  },
] as const satisfies SettingTable;

export const CONTROL_SETTINGS = [
  ...COMMON_SETTINGS,
  ...CONTROL_OWN_SETTINGS,
] as const satisfies SettingTable;

export type ControlConfig = Config<typeof CONTROL_SETTINGS>;

/** Throws Fault WEIR_CONFIG. */
export function loadControlConfig(env: Environment): ControlConfig {
  const config = loadConfig(CONTROL_SETTINGS, env);
  if (isLoopback(config.httpHost)) return config;
  throw new Fault(
    'WEIR_CONFIG',
    `WEIR_HTTP_HOST is ${config.httpHost}: the API knows no users yet, so it listens on ` +
      'loopback addresses only (127.0.0.1, ::1, localhost)',
  );
}

export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === 'localhost' || name === '::1' || name === '[::1]') return true;
  return /^127(\.\d{1,3}){3}$/.test(name);
}

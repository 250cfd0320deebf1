/**
 * Settings of control.
 */
import { Fault } from '#base';
import { PARTITIONS_DEFAULT, PARTITIONS_MAX } from '#log';
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

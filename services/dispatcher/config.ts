/** Settings of a dispatcher; see lib/runtime/config.ts for how they are read. */
import { COMMON_SETTINGS, loadConfig } from '#runtime';
import type { Config, Environment, SettingTable } from '#runtime';

export const DISPATCHER_SETTINGS = [...COMMON_SETTINGS] as const satisfies SettingTable;

export type DispatcherConfig = Config<typeof DISPATCHER_SETTINGS>;

/** Throws Fault WEIR_CONFIG. */
export function loadDispatcherConfig(env: Environment): DispatcherConfig {
  return loadConfig(DISPATCHER_SETTINGS, env);
}

/**
 * Settings of a router; see lib/runtime/config.ts for how they are read.
 */
import { Fault } from '#base';
import { COMMON_SETTINGS, loadConfig } from '#runtime';
import type { Config, Environment, SettingTable } from '#runtime';
import { ANSWER_TIMEOUT_MS } from './http-client.ts';
import { REQUEST_ORIGIN_DEFAULT } from './handshake.ts';
import { RETRY_WAITS_MS_DEFAULT } from './retry-schedule.ts';

export const ROUTER_OWN_SETTINGS = [
  {
    name: 'allowPrivate',
    env: 'WEIR_ROUTER_ALLOW_PRIVATE',
    unit: '',
    type: 'flag',
    default: false,
    reason:
      'Lets events go to private and loopback addresses and over plain http; off, since whoever ' +
      'may create event subscriptions could otherwise reach into the network of the broker.',
  },
  {
    name: 'requestOrigin',
    env: 'WEIR_ROUTER_REQUEST_ORIGIN',
    unit: '',
    type: 'text',
    range: /[A-Za-z0-9.-]{1,253}/,
    default: REQUEST_ORIGIN_DEFAULT,
    reason: 'Host name in WebHook-Request-Origin, by which endpoints know and admit this broker.',
  },
  {
    name: 'answerTimeoutSeconds',
    env: 'WEIR_ROUTER_ANSWER_TIMEOUT',
    unit: 'seconds',
    type: 'number',
    range: [0.1, 300],
    default: ANSWER_TIMEOUT_MS / 1_000,
    reason: 'Longest wait for the answer of a webhook; Event Grid waits as long.',
  },
  {
    name: 'retryWaitsSeconds',
    env: 'WEIR_ROUTER_RETRY_WAITS',
    unit: 'seconds',
    type: 'text',
    range: /\d+(\.\d+)?(,\d+(\.\d+)?){0,19}/,
    default: RETRY_WAITS_MS_DEFAULT.map((ms) => ms / 1_000).join(','),
    reason:
      'Waits after the first, second … failed attempt, separated by commas, the last one for all ' +
      'further ones; the schedule of Event Grid.',
  },
] as const satisfies SettingTable;

export const ROUTER_SETTINGS = [...COMMON_SETTINGS, ...ROUTER_OWN_SETTINGS] as const;

export type RouterConfig = Config<typeof ROUTER_SETTINGS> & {
  readonly retryWaitsMs: readonly number[];
};

/** A wait above this helps nobody: events live seven days. */
const RETRY_WAIT_SECONDS_MAX = 86_400;

/** Throws Fault WEIR_CONFIG. */
export function loadRouterConfig(env: Environment): RouterConfig {
  const config = loadConfig(ROUTER_SETTINGS, env);
  const seconds = config.retryWaitsSeconds.split(',').map(Number);
  if (seconds.some((wait) => wait > RETRY_WAIT_SECONDS_MAX)) {
    const limit = `at most ${RETRY_WAIT_SECONDS_MAX} seconds`;
    throw new Fault('WEIR_CONFIG', `WEIR_ROUTER_RETRY_WAITS: each wait must be ${limit}`);
  }
  return Object.freeze({ ...config, retryWaitsMs: seconds.map((wait) => wait * 1_000) });
}

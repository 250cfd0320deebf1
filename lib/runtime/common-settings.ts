/**
 * Settings that every Weir process has. A service's table begins with `...COMMON_SETTINGS`.
 */
import type { SettingTable } from './config.ts';

export const COMMON_SETTINGS = [
  {
    name: 'natsUrl',
    env: 'WEIR_NATS_URL',
    unit: '',
    type: 'text',
    default: 'nats://127.0.0.1:4222',
    reason: 'Servers of the NATS cluster, separated by commas: name all, no others are found.',
  },
  {
    name: 'httpHost',
    env: 'WEIR_HTTP_HOST',
    unit: '',
    type: 'text',
    default: '127.0.0.1',
    reason: 'Address of the HTTP listener; loopback, because health and metrics are not secured.',
  },
  {
    name: 'httpPort',
    env: 'WEIR_HTTP_PORT',
    unit: 'port',
    type: 'integer',
    range: [0, 65_535],
    default: 0,
    reason: 'Port of /livez, /readyz and /metrics (control: the API too); 0 takes a free one.',
  },
  {
    name: 'logLevel',
    env: 'WEIR_LOG_LEVEL',
    unit: '',
    type: 'choice',
    range: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    reason: 'Least serious level that is logged; debug speaks once per connection.',
  },
  {
    name: 'instance',
    env: 'WEIR_INSTANCE',
    unit: '',
    type: 'text',
    range: /[A-Za-z0-9._-]{1,64}/,
    default: undefined,
    reason: 'Name of this process in logs; unset, the service name and process number are used.',
  },
] as const satisfies SettingTable;

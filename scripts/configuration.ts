/**
 * Writes docs/configuration.md from the setting tables. A test compares the two.
 *
 *   node scripts/configuration.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMON_SETTINGS, renderConfigReference } from '#runtime';
import type { ReferenceSection } from '#runtime';
import { CONTROL_OWN_SETTINGS } from '../services/control/config.ts';
import { DISPATCHER_OWN_SETTINGS } from '../services/dispatcher/config.ts';
import { GATEWAY_OWN_SETTINGS } from '../services/gateway/config.ts';
import { ROUTER_OWN_SETTINGS } from '../services/router/config.ts';

export const CONFIG_SECTIONS: readonly ReferenceSection[] = [
  { title: 'Every process', says: 'All services have these.', table: COMMON_SETTINGS },
  {
    title: 'Control',
    says: 'Registry API and set-up of the cluster.',
    table: CONTROL_OWN_SETTINGS,
  },
  {
    title: 'Gateway',
    says: 'MQTT for clients; CONNACK announces what concerns them.',
    table: GATEWAY_OWN_SETTINGS,
  },
  {
    title: 'Dispatcher',
    says: 'Queues of sessions that are away or slow.',
    table: DISPATCHER_OWN_SETTINGS,
  },
  { title: 'Router', says: 'Delivery of events to webhooks.', table: ROUTER_OWN_SETTINGS },
];

if (import.meta.main) {
  const path = join(import.meta.dirname, '../docs/configuration.md');
  writeFileSync(path, renderConfigReference(CONFIG_SECTIONS));
}

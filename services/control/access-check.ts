/**
 * Access check — the method that asks whether a client would be allowed, from JSON to JSON.
 */
import { ACCESS_OPERATIONS, isJsonObject } from '#registry';
import type { RegistryStore } from '#registry';
import { isTopicFilter, isTopicName } from '#topics';
import { ApiFault, fieldFault } from './api-fault.ts';
import { textField } from './resource-json.ts';
import type { JsonRecord } from './resource-json.ts';

/** Throws ApiFault. */
export function checkAccess(store: RegistryStore, field: string, value: unknown): JsonRecord {
  if (!isJsonObject(value)) throw fieldFault(field, 'must be an object');
  const clientName = textField('clientName', value['clientName']);
  const topic = textField('topic', value['topic']);
  const operation = ACCESS_OPERATIONS.find((known) => known === value['operation']);
  if (operation === undefined) {
    throw fieldFault('operation', `must be one of ${ACCESS_OPERATIONS.join(', ')}`);
  }
  if (operation === 'publish' && !isTopicName(topic)) throw fieldFault('topic', 'is no topic name');
  if (operation === 'subscribe' && !isTopicFilter(topic)) {
    throw fieldFault('topic', 'is no topic filter');
  }
  const explanation = store.explainAccess(clientName, operation, topic);
  if (explanation === undefined) throw new ApiFault('not_found', `no client "${clientName}"`);
  return { clientName, operation, topic, ...explanation };
}

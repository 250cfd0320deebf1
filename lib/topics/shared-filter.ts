/**
 * Shared subscriptions' filters: `$share/{group}/{topicFilter}` (MQTT 5 §4.8.2).
 */
import { isTopicFilter } from './topic-filter.ts';

const PREFIX = '$share/';

export interface SharedFilter {
  readonly groupName: string;
  readonly topicFilter: string;
}

/** Whether the filter asks for a shared subscription; it may still be malformed. */
export function isSharedFilter(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** The filter that topics are matched with: of a shared one (valid) what follows its name. */
export function plainFilterOf(text: string): string {
  return isSharedFilter(text) ? text.slice(text.indexOf('/', PREFIX.length) + 1) : text;
}

/**
 * Takes a shared filter apart. Undefined: not shared, or malformed — the group needs at least one
 * character and no `/`, `+`, `#`, and a valid filter must follow [MQTT-4.8.2-1], [MQTT-4.8.2-2].
 */
export function parseShared(text: string): SharedFilter | undefined {
  if (!isSharedFilter(text)) return undefined;
  const slash = text.indexOf('/', PREFIX.length);
  if (slash <= PREFIX.length) return undefined;
  const groupName = text.slice(PREFIX.length, slash);
  const topicFilter = text.slice(slash + 1);
  if (groupName.includes('+') || groupName.includes('#')) return undefined;
  return isTopicFilter(topicFilter) ? { groupName, topicFilter } : undefined;
}

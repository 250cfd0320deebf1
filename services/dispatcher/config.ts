/** Settings of a dispatcher; see lib/runtime/config.ts for how they are read. */
import { COMMON_SETTINGS, loadConfig } from '#runtime';
import type { Config, Environment, SettingTable } from '#runtime';
import { GROUP_EXPIRY_SECONDS } from './group-board.ts';
import { DEFAULT_QUEUE_LIMITS, QUEUE_POLICIES, type QueueLimits } from './session-queues.ts';

/** What waits for one session that does not take it, in each partition (ADR 0012, S11). */
export const DISPATCHER_OWN_SETTINGS = [
  {
    name: 'queueMessagesMax',
    env: 'WEIR_QUEUE_MESSAGES_MAX',
    unit: 'messages',
    type: 'integer',
    range: [1, 10_000_000],
    default: DEFAULT_QUEUE_LIMITS.messagesMax,
    reason: 'Messages that may wait for one session in one partition.',
  },
  {
    name: 'queueBytesMax',
    env: 'WEIR_QUEUE_BYTES_MAX',
    unit: 'bytes',
    type: 'integer',
    range: [1_024, 107_374_182_400],
    default: DEFAULT_QUEUE_LIMITS.bytesMax,
    reason: 'Bytes of messages that may wait for one session in one partition.',
  },
  {
    name: 'queuePolicy',
    env: 'WEIR_QUEUE_POLICY',
    unit: '',
    type: 'choice',
    range: QUEUE_POLICIES,
    default: DEFAULT_QUEUE_LIMITS.policy,
    reason: 'What gives way when a queue is full; end_session is what Event Grid does.',
  },
  {
    name: 'groupExpirySeconds',
    env: 'WEIR_GROUP_EXPIRY_SECONDS',
    unit: 'seconds',
    type: 'integer',
    range: [0, 604_800],
    default: GROUP_EXPIRY_SECONDS,
    reason: 'How long a shared subscription keeps its queue after its last session.',
  },
] as const satisfies SettingTable;

export const DISPATCHER_SETTINGS = [
  ...COMMON_SETTINGS,
  ...DISPATCHER_OWN_SETTINGS,
] as const satisfies SettingTable;

export type DispatcherConfig = Config<typeof DISPATCHER_SETTINGS>;

/** Throws Fault WEIR_CONFIG. */
export function loadDispatcherConfig(env: Environment): DispatcherConfig {
  return loadConfig(DISPATCHER_SETTINGS, env);
}

export function queueLimitsOf(config: DispatcherConfig): QueueLimits {
  const { queueMessagesMax: messagesMax, queueBytesMax: bytesMax, queuePolicy: policy } = config;
  return { messagesMax, bytesMax, policy };
}

/**
 * Stream set-up — creates or updates a stream so that it is what the caller asks for.
 *
 * Retries: a server that starts answers late or 503, a cluster has no leader yet or too few
 *         servers; the set-up goes on for SETUP_MS_MAX, then throws a Fault that names the last
 *         reason. UPDATE and CREATE are answered by the stream's leader: then it has one.
 */
import { type Clock, Fault } from '#base';
import type { StreamConfig } from '../port.ts';
import { type ApiAnswer, STREAM_NOT_FOUND, type StreamApi } from './stream-api.ts';

/** Longest wait for JetStream to become ready and take the stream; an election takes < 10 s. */
const SETUP_MS_MAX = 30_000;
const RETRY_MS = 250;
/** Wait for one answer; doubles. What is asked just before a leader is elected gets none. */
const ANSWER_MS_MIN = 500;
const ANSWER_MS_MAX = 5_000;
const STREAM_NAME_IN_USE = 10058;
/** Not yet as many servers as copies. */
const NO_SUITABLE_PEERS = 10005;
/** More than one copy asked of a server that is in no cluster. */
const NO_REPLICAS_ALONE = 10074;
/** No leader of the cluster. */
const NOT_AVAILABLE = 10008;
const NS_PER_MS = 1_000_000;
/** Two minutes, the server's own default, where the caller names none. */
const DUPLICATE_WINDOW_MS_DEFAULT = 120_000;

function serverConfig(config: StreamConfig): object {
  return {
    name: config.name,
    subjects: config.subjects,
    retention: 'limits',
    storage: 'file',
    num_replicas: config.replicas,
    discard: 'new',
    max_msgs: -1,
    max_age: 0,
    max_bytes: config.bytesMax === undefined || config.bytesMax === 0 ? -1 : config.bytesMax,
    max_msgs_per_subject: config.messagesPerSubjectMax ? config.messagesPerSubjectMax : -1,
    duplicate_window: (config.duplicateWindowMs ?? DUPLICATE_WINDOW_MS_DEFAULT) * NS_PER_MS,
    allow_direct: config.allowDirect === true,
    allow_rollup_hdrs: false,
    deny_delete: false,
    deny_purge: false,
  };
}

/** Throws Fault WEIR_BUS_REFUSED or WEIR_BUS_TIMEOUT, which say what to do. */
export async function ensureStream(
  api: StreamApi,
  clock: Clock,
  config: StreamConfig,
  onWait: (why: string) => void = () => undefined,
): Promise<void> {
  const deadlineMs = clock.nowMs() + SETUP_MS_MAX;
  let verb: 'UPDATE' | 'CREATE' = 'UPDATE';
  let timeoutMs = ANSWER_MS_MIN;
  for (;;) {
    const { answer, why } = await askOnce(api, verb, config, timeoutMs);
    const error = answer?.error;
    if (answer !== undefined && error === undefined) return;
    const code = error?.err_code ?? 0;
    // Somebody else may create it with another configuration in between.
    if (code === (verb === 'UPDATE' ? STREAM_NOT_FOUND : STREAM_NAME_IN_USE)) {
      verb = verb === 'UPDATE' ? 'CREATE' : 'UPDATE';
      continue;
    }
    const reason = error === undefined ? why : `${error.description ?? 'error'} (${code})`;
    const advice = adviceFor(code, error === undefined, config);
    if (isFinal(code, error?.code)) {
      const text = `NATS refused stream ${config.name}: ${reason}${advice}`;
      throw new Fault('WEIR_BUS_REFUSED', text);
    }
    const text = `stream ${config.name} cannot be set up yet: ${reason}${advice}`;
    if (clock.nowMs() > deadlineMs) {
      throw new Fault('WEIR_BUS_TIMEOUT', `${text}; given up after ${SETUP_MS_MAX / 1_000} s`);
    }
    onWait(text);
    timeoutMs = Math.min(ANSWER_MS_MAX, timeoutMs * 2);
    await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
  }
}

function isFinal(code: number, status = 500): boolean {
  if (code === NO_REPLICAS_ALONE) return true;
  return code !== 0 && code !== NO_SUITABLE_PEERS && status < 500;
}

function adviceFor(code: number, isSilent: boolean, { replicas }: StreamConfig): string {
  if (code === NO_REPLICAS_ALONE) {
    return `; ${replicas} copies need a NATS cluster: use one, or begin with WEIR_REPLICAS=1`;
  }
  if (code === NO_SUITABLE_PEERS) {
    return `; ${replicas} nats-servers with JetStream and free disk must run in one cluster`;
  }
  if (isSilent || code === NOT_AVAILABLE) {
    return replicas > 1
      ? `; no leader: more than half of the nats-servers must run and reach each other`
      : `; nats-server must run with JetStream`;
  }
  return '';
}

function askOnce(
  api: StreamApi,
  verb: string,
  config: StreamConfig,
  timeoutMs: number,
): Promise<{ answer: ApiAnswer | undefined; why: string }> {
  return new Promise((resolve) => {
    const onAnswer = (answer: ApiAnswer | undefined, why: string): void => resolve({ answer, why });
    api.ask<ApiAnswer>(`STREAM.${verb}.${config.name}`, serverConfig(config), onAnswer, timeoutMs);
  });
}

/**
 * Stream set-up — creates or updates a stream so that it is what the caller asks for.
 *
 * Retries: a server that starts answers late or 503; the set-up goes on for SETUP_MS_MAX, then
 * throws a Fault that names the last reason.
 */
import { type Clock, Fault } from '#base';
import type { StreamConfig } from '../port.ts';
import type { ApiAnswer, StreamApi } from './stream-api.ts';

/** Longest wait for JetStream to become ready and take the stream. */
const SETUP_MS_MAX = 30_000;
const RETRY_MS = 250;
const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
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

export async function ensureStream(
  api: StreamApi,
  clock: Clock,
  config: StreamConfig,
): Promise<void> {
  const deadlineMs = clock.nowMs() + SETUP_MS_MAX;
  let verb = 'UPDATE';
  for (;;) {
    const { answer, why } = await askOnce(api, `STREAM.${verb}.${config.name}`, config);
    const error = answer?.error;
    if (answer !== undefined && error === undefined) return;
    const code = error?.err_code ?? 0;
    if (verb === 'UPDATE' && code === STREAM_NOT_FOUND) {
      verb = 'CREATE';
      continue;
    }
    // Somebody else created it with another configuration in between.
    if (verb === 'CREATE' && code === STREAM_NAME_IN_USE) {
      verb = 'UPDATE';
      continue;
    }
    const reason = error === undefined ? why : `${code} ${error.description ?? ''}`;
    if (error !== undefined && (error.code ?? 500) < 500) {
      throw new Fault('WEIR_BUS_REFUSED', `NATS refused stream ${config.name}: ${reason}`);
    }
    if (clock.nowMs() > deadlineMs) {
      throw new Fault('WEIR_BUS_TIMEOUT', `Stream ${config.name} could not be set up: ${reason}`);
    }
    await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
  }
}

function askOnce(
  api: StreamApi,
  verb: string,
  config: StreamConfig,
): Promise<{ answer: ApiAnswer | undefined; why: string }> {
  return new Promise((resolve) => {
    api.ask<ApiAnswer>(
      verb,
      serverConfig(config),
      (answer, why) => resolve({ answer, why }),
      5_000,
    );
  });
}

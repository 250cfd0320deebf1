/**
 * Stream API — JetStream's requests about streams and stored messages, by callback.
 *
 * Who answers: `$JS.API.STREAM.*` the stream's leader alone; `$JS.API.DIRECT.GET` any replica,
 * only for streams that allow it (asked once per stream); that something is not there only the
 * leader says.
 */
import type { GetResult, StreamMessage, StreamState } from '../port.ts';
import { headerValue, isDeletion, statusOf, statusText } from './header-block.ts';
import type { NatsMessage } from './nats-message.ts';
import type { Waiter } from './pending-table.ts';
import { StoredMessage } from './stored-message.ts';
import type { Wire } from './wire.ts';

/** Wait for the answer to one request. */
export const API_TIMEOUT_MS = 2_000;
/** Deleting many blocks of a large stream takes longer. */
const TRIM_TIMEOUT_MS = 5_000;
const NO_MESSAGE_FOUND = 10037;
export const STREAM_NOT_FOUND = 10059;
const EMPTY = Buffer.alloc(0);

/** An answer of the JetStream API: parsed, or undefined with the reason for silence. */
export interface ApiAnswer {
  readonly error?: { readonly code?: number; readonly err_code?: number; description?: string };
}

class ApiWaiter<T extends ApiAnswer> implements Waiter {
  deadlineMs = 0;
  readonly #onAnswer: (answer: T | undefined, why: string) => void;

  constructor(onAnswer: (answer: T | undefined, why: string) => void) {
    this.#onAnswer = onAnswer;
  }

  answered(message: NatsMessage): void {
    const { payload } = message;
    if (payload.length === 0) {
      this.#onAnswer(undefined, `nobody answers (${statusOf(message.header)})`);
      return;
    }
    let answer: T;
    try {
      answer = JSON.parse(payload.toString('utf8')) as T;
    } catch {
      this.#onAnswer(undefined, 'answer is not JSON');
      return;
    }
    this.#onAnswer(answer, '');
  }

  unanswered(why: string): void {
    this.#onAnswer(undefined, why);
  }
}

/** What `STREAM.INFO` tells, as far as it is needed. */
export interface StreamInfo extends ApiAnswer {
  readonly config?: {
    readonly name: string;
    readonly allow_direct?: boolean;
    readonly max_msgs_per_subject?: number;
    /** -1 = no limit. */
    readonly max_bytes?: number;
  };
  readonly state?: {
    readonly first_seq: number;
    readonly last_seq: number;
    readonly messages: number;
    readonly bytes: number;
  };
}

interface StoredJson extends ApiAnswer {
  readonly message?: {
    readonly subject: string;
    readonly seq: number;
    readonly data?: string;
    readonly hdrs?: string;
    readonly time: string;
  };
}

interface PurgeJson extends ApiAnswer {
  readonly success?: boolean;
}

export function readState(info: StreamInfo): StreamState | undefined {
  const { state, config } = info;
  if (state === undefined) return undefined;
  // The server tells 0 as first sequence of a stream that never held a message.
  const firstSequence = state.messages === 0 ? state.last_seq + 1 : state.first_seq;
  return {
    firstSequence: Math.max(firstSequence, state.first_seq),
    lastSequence: state.last_seq,
    messages: state.messages,
    bytes: state.bytes,
    bytesMax: Math.max(0, config?.max_bytes ?? 0),
  };
}

export class StreamApi {
  readonly #wire: Wire;
  readonly #direct = new Map<string, boolean>();

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** One request to `$JS.API.<verb>`. */
  ask<T extends ApiAnswer>(
    verb: string,
    body: object | undefined,
    onAnswer: (answer: T | undefined, why: string) => void,
    timeoutMs = API_TIMEOUT_MS,
  ): void {
    const payload = body === undefined ? EMPTY : Buffer.from(JSON.stringify(body));
    this.#wire.request(`$JS.API.${verb}`, payload, new ApiWaiter<T>(onAnswer), timeoutMs);
  }

  info(
    stream: string,
    onInfo: (info: StreamInfo | undefined, why: string) => void,
    timeoutMs = API_TIMEOUT_MS,
  ): void {
    const onAnswer = (answer: StreamInfo | undefined, why: string): void => {
      if (answer?.config !== undefined) {
        this.#direct.set(stream, answer.config.allow_direct === true);
        onInfo(answer, '');
      } else onInfo(undefined, answer?.error?.description ?? why);
    };
    this.ask<StreamInfo>(`STREAM.INFO.${stream}`, undefined, onAnswer, timeoutMs);
  }

  state(stream: string, onState: (state: StreamState | undefined) => void): void {
    this.info(stream, (info) => onState(info === undefined ? undefined : readState(info)));
  }

  last(stream: string, subject: string, onResult: (result: GetResult) => void): void {
    this.#fromLeader(stream, { last_by_subj: subject }, onResult);
  }

  get(stream: string, sequence: number, onResult: (result: GetResult) => void): void {
    const direct = this.#direct.get(stream);
    if (direct === true) this.#fromAny(stream, sequence, onResult);
    else if (direct === false) this.#fromLeader(stream, { seq: sequence }, onResult);
    else {
      this.info(stream, (info, why) => {
        if (info === undefined) onResult({ kind: 'undecided', why });
        else this.get(stream, sequence, onResult);
      });
    }
  }

  trim(stream: string, sequence: number, onResult: (done: boolean) => void): void {
    const onAnswer = (answer: PurgeJson | undefined): void => onResult(answer?.success === true);
    this.ask<PurgeJson>(`STREAM.PURGE.${stream}`, { seq: sequence }, onAnswer, TRIM_TIMEOUT_MS);
  }

  #fromLeader(stream: string, body: object, onResult: (result: GetResult) => void): void {
    this.ask<StoredJson>(`STREAM.MSG.GET.${stream}`, body, (answer, why) => {
      const message = answer?.message;
      if (message !== undefined) onResult({ kind: 'found', message: readStored(message) });
      else if (answer?.error?.err_code === NO_MESSAGE_FOUND) onResult({ kind: 'absent' });
      else {
        const noStream = answer?.error?.err_code === STREAM_NOT_FOUND;
        const reason = answer?.error?.description ?? why;
        onResult({ kind: 'undecided', why: reason, ...(noStream ? { noStream } : {}) });
      }
    });
  }

  /** A replica that is behind does not know what it has not got: the leader is asked then. */
  #fromAny(stream: string, sequence: number, onResult: (result: GetResult) => void): void {
    const waiter: Waiter = {
      deadlineMs: 0,
      answered: (message) => {
        const result = readDirect(message, sequence);
        if (result.kind === 'absent') this.#fromLeader(stream, { seq: sequence }, onResult);
        else onResult(result);
      },
      unanswered: (why) => onResult({ kind: 'undecided', why }),
    };
    const payload = Buffer.from(`{"seq":${sequence}}`);
    this.#wire.request(`$JS.API.DIRECT.GET.${stream}`, payload, waiter, API_TIMEOUT_MS);
  }
}

function readStored(message: NonNullable<StoredJson['message']>): StreamMessage {
  const header = message.hdrs === undefined ? EMPTY : Buffer.from(message.hdrs, 'base64');
  return {
    subject: message.subject,
    sequence: message.seq,
    payload: message.data === undefined ? EMPTY : Buffer.from(message.data, 'base64'),
    storedAtMs: Date.parse(message.time),
    deleted: isDeletion(header),
  };
}

function readDirect(message: NatsMessage, sequence: number): GetResult {
  const { header, payload } = message;
  const status = statusOf(header);
  if (status === 404) return { kind: 'absent' };
  const subject = headerValue(header, 'Nats-Subject');
  if (status !== 0 || subject === undefined) {
    return { kind: 'undecided', why: `${status} ${statusText(header)}` };
  }
  const storedAtMs = Date.parse(headerValue(header, 'Nats-Time-Stamp') ?? '');
  return {
    kind: 'found',
    message: new StoredMessage(subject, sequence, storedAtMs, payload, header),
  };
}

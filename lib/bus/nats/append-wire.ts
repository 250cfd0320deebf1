/**
 * Append wire — the bytes of an append to JetStream and the meaning of its answer.
 *
 * Meaning of errors: reference/jetstream, "What an answer to a conditional append means". What is
 * not known to decide, does not decide: the caller repeats under the same id.
 */
import type { AppendRequest, AppendResult } from '../port.ts';
import { statusOf } from './header-block.ts';
import type { NatsMessage } from './nats-message.ts';
import type { Waiter } from './pending-table.ts';
import type { QuorumWatch } from './quorum-watch.ts';

/** Wrong last sequence: compared and refused. */
const WRONG_LAST_SEQUENCE = 10071;
/** Store failed; full when the text names a maximum, else the disk or a shutdown. */
const STORE_FAILED = 10077;
/** Limits of server or account: no room for more. */
const NO_ROOM = new Set([10002, 10023, 10028, 10047]);
/** The same id, or another write of the subject, is under way: nothing was compared. */
const UNDER_WAY = new Set([10158, 10163, 10164]);

const QUOTE = 34;
const COLON = 58;
const CLOSING_BRACE = 125;
/** `{"stream":"` and, after the name, `", "seq":`. */
const ACK_NAME_START = 11;
const ACK_COLON_OFFSET = 8;

/** Header block of `request`, undefined when it needs none: headers cost both ends 2–3 µs. */
export function encodeHeaders(request: AppendRequest): Buffer | undefined {
  let text = '';
  if (request.messageId !== undefined) text += `Nats-Msg-Id: ${request.messageId}\r\n`;
  if (request.expectedLastSubjectSequence !== undefined) {
    const sequence = request.expectedLastSubjectSequence;
    text += `Nats-Expected-Last-Subject-Sequence: ${sequence}\r\n`;
  }
  if (request.expectedLastSequence !== undefined) {
    text += `Nats-Expected-Last-Sequence: ${request.expectedLastSequence}\r\n`;
  }
  if (request.deletes === true) text += 'KV-Operation: DEL\r\n';
  return text === '' ? undefined : Buffer.from(`NATS/1.0\r\n${text}\r\n`, 'latin1');
}

/** One append under way. */
export class PendingAppend implements Waiter {
  deadlineMs = 0;
  readonly #stream: string;
  readonly #watch: QuorumWatch;
  readonly #onResult: (result: AppendResult) => void;

  constructor(stream: string, watch: QuorumWatch, onResult: (result: AppendResult) => void) {
    this.#stream = stream;
    this.#watch = watch;
    this.#onResult = onResult;
  }

  answered(message: NatsMessage): void {
    const result = readAnswer(message, this.#stream);
    if (result.kind === 'undecided') this.#watch.undecided();
    else this.#watch.decided();
    this.#onResult(result);
  }

  unanswered(why: string): void {
    this.#watch.undecided();
    this.#onResult({ kind: 'undecided', why });
  }
}

function readAnswer(message: NatsMessage, stream: string): AppendResult {
  const { payload } = message;
  if (payload.length === 0) {
    const status = statusOf(message.header);
    return { kind: 'undecided', why: `no stream answers (${status})` };
  }
  return readAck(payload, stream);
}

/** Reads an acknowledgement: the common form byte by byte, any other as JSON. */
export function readAck(payload: Buffer, stream: string): AppendResult {
  const nameEnd = ACK_NAME_START + stream.length;
  if (payload[nameEnd] === QUOTE && payload[nameEnd + ACK_COLON_OFFSET] === COLON) {
    let sequence = 0;
    let i = nameEnd + ACK_COLON_OFFSET + 1;
    for (; i < payload.length; i++) {
      const digit = (payload[i] as number) - 48;
      if (digit < 0 || digit > 9) break;
      sequence = sequence * 10 + digit;
    }
    if (i === payload.length - 1 && payload[i] === CLOSING_BRACE && sequence > 0) {
      return { kind: 'stored', sequence, duplicate: false };
    }
  }
  return readAckJson(payload);
}

interface AckJson {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code?: number; readonly err_code?: number; description?: string };
}

function readAckJson(payload: Buffer): AppendResult {
  let ack: AckJson;
  try {
    ack = JSON.parse(payload.toString('utf8')) as AckJson;
  } catch {
    return { kind: 'undecided', why: 'answer is no acknowledgement' };
  }
  const { error } = ack;
  if (error === undefined) {
    return ack.seq === undefined
      ? { kind: 'undecided', why: 'answer without sequence' }
      : { kind: 'stored', sequence: ack.seq, duplicate: ack.duplicate === true };
  }
  const code = error.err_code ?? 0;
  const description = error.description ?? '';
  const why = `${code} ${description}`;
  if (code === WRONG_LAST_SEQUENCE) return { kind: 'refused' };
  if (UNDER_WAY.has(code)) return { kind: 'undecided', why };
  if (NO_ROOM.has(code)) return { kind: 'full' };
  if (code === STORE_FAILED && description.includes('maximum')) return { kind: 'full' };
  const status = error.code ?? 500;
  return status >= 500 || status === 429 ? { kind: 'undecided', why } : { kind: 'failed', why };
}

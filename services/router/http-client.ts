/**
 * HTTP client — OPTIONS and POST to webhooks by undici.
 *
 * Bounds: connect, first answer byte and whole exchange are timed; of an answer's body at most
 *         BODY_BYTES_MAX is read, then the connection is cut; requests per origin are limited by
 *         the endpoint, connections by the agent. Redirects are not followed, proxies of the
 *         environment are not used; every connection passes the egress guard.
 */
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '#base';
import { PublishView } from '#mqtt';
import { parseRetryAfter } from './attempt-outcome.ts';
import type { HttpResult } from './attempt-outcome.ts';
import { encodeEvent, EVENT_CONTENT_TYPE, eventId } from './cloud-event.ts';
import type { Delivery } from './delivery.ts';
import { guardedLookup, urlFault } from './egress-guard.ts';
import type { ResolveAll } from './egress-guard.ts';
import { CONCURRENCY_MAX } from './endpoint.ts';
import type { WebhookClient } from './endpoint.ts';
import { ALLOWED_ORIGIN_HEADER, isConsent, REQUEST_ORIGIN_HEADER } from './handshake.ts';
import { openEvent, receivedAtMs } from './stored-event.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Event Grid waits 30 s for an answer. */
export const ANSWER_TIMEOUT_MS = 30_000;
const BODY_BYTES_MAX = 16 * 1024;

export interface HttpClientOptions {
  readonly clock: Clock;
  readonly requestOrigin: string;
  readonly allowPrivate: boolean;
  readonly answerTimeoutMs?: number;
  /** For tests: another resolver. */
  readonly resolve?: ResolveAll;
  /** For tests: further certificates to trust, PEM. */
  readonly ca?: string;
}

export class HttpClient implements WebhookClient {
  readonly #o: HttpClientOptions;
  readonly #agent: Agent;
  readonly #answerTimeoutMs: number;
  readonly #view = new PublishView();

  constructor(options: HttpClientOptions) {
    this.#o = options;
    this.#answerTimeoutMs = options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
    const { allowPrivate, resolve, ca } = options;
    this.#agent = new Agent({
      connections: CONCURRENCY_MAX,
      pipelining: 1,
      allowH2: false,
      headersTimeout: this.#answerTimeoutMs,
      bodyTimeout: this.#answerTimeoutMs,
      maxHeaderSize: BODY_BYTES_MAX,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        lookup: guardedLookup(allowPrivate, resolve),
        ...(ca === undefined ? {} : { ca }),
      },
    });
  }

  askConsent(url: string, onAnswer: (consent: boolean, why: string) => void): void {
    const origin = this.#o.requestOrigin;
    const headers = { [REQUEST_ORIGIN_HEADER]: origin };
    this.#exchange(url, { method: 'OPTIONS', headers }).then(
      (answer) => {
        const allowed = answer.headers[ALLOWED_ORIGIN_HEADER];
        const why = `status ${answer.statusCode}, WebHook-Allowed-Origin ${String(allowed)}`;
        onAnswer(isConsent(allowed, origin), why);
      },
      (cause: unknown) => onAnswer(false, nameOf(cause)),
    );
  }

  post(url: string, delivery: Delivery, onResult: (result: HttpResult) => void): void {
    this.#deliver(url, delivery).then(
      ({ statusCode, headers }) => {
        const retryAfter = headers['retry-after'];
        const text = typeof retryAfter === 'string' ? retryAfter : undefined;
        const retryAfterMs = parseRetryAfter(text, this.#o.clock.wallMs());
        onResult({ kind: 'answer', status: statusCode, retryAfterMs });
      },
      (cause: unknown) => onResult({ kind: 'none', why: nameOf(cause) }),
    );
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #deliver(url: string, delivery: Delivery): Promise<Dispatcher.ResponseData> {
    const { event, partition, position } = delivery;
    openEvent(event, this.#view);
    const body = encodeEvent(this.#view, eventId(partition, position), receivedAtMs(event));
    const headers = {
      'content-type': EVENT_CONTENT_TYPE,
      [REQUEST_ORIGIN_HEADER]: this.#o.requestOrigin,
    };
    return this.#exchange(url, { method: 'POST', headers, body });
  }

  async #exchange(
    url: string,
    what: {
      readonly method: Dispatcher.HttpMethod;
      readonly headers: Record<string, string>;
      readonly body?: string;
    },
  ): Promise<Dispatcher.ResponseData> {
    const fault = urlFault(url, this.#o.allowPrivate);
    if (fault !== undefined) throw Object.assign(new Error(fault), { code: fault });
    const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS + this.#answerTimeoutMs);
    const answer = await request(url, { dispatcher: this.#agent, signal, ...what });
    // The status has decided; a body that is cut or never ends changes nothing.
    await answer.body.dump({ limit: BODY_BYTES_MAX, signal }).catch(() => undefined);
    return answer;
  }
}

/** A short, constant name of what went wrong: an error code, else the error's name. */
function nameOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown';
  const { code } = cause as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : cause.name;
}

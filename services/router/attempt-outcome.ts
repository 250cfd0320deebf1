/**
 * What an HTTP answer to a delivery means (event-grid.md §14.5, CloudEvents HTTP webhooks).
 *
 * Delivered: 2xx. Refused for good: 400, 413, 414, 415 (this event will never fit) and 410.
 * All else is tried again: 401 and 404 not before 5 min, 408 2 min, 503 30 s — a long `Retry-After`
 * more. Event Grid's text and table contradict each other on 401, 403 and 404; an event is kept
 * here, since a wrong secret or route is usually mended. 3xx is never followed.
 */
import type { Outcome } from './delivery.ts';

export type HttpResult =
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfterMs: number }
  /** No answer: `timeout`, `socket`, `resolution`, `egress_forbidden`, `tls` … */
  | { readonly kind: 'none'; readonly why: string };

const REFUSING = new Set([400, 410, 413, 414, 415]);

const WAIT_MS_MIN: Readonly<Record<number, number>> = {
  401: 300_000,
  403: 300_000,
  404: 300_000,
  408: 120_000,
  503: 30_000,
};

export function outcomeOf(result: HttpResult): Outcome {
  if (result.kind === 'none') return { kind: 'failed', why: result.why, waitMsMin: 0 };
  const { status, retryAfterMs } = result;
  const why = `status ${status}`;
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (REFUSING.has(status)) return { kind: 'refused', why };
  const waitMsMin = retryAfterMs > 0 ? retryAfterMs : (WAIT_MS_MIN[status] ?? 0);
  return { kind: 'failed', why, waitMsMin };
}

/** Whether the endpoint as a whole is in trouble, and not this one event. */
export function isEndpointTrouble(result: HttpResult): boolean {
  return result.kind === 'none' || result.status === 429 || result.status >= 500;
}

/** Longest `Retry-After` that is honoured, ms. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** `Retry-After` as a span: seconds or an HTTP date; 0 when absent or unreadable. */
export function parseRetryAfter(value: string | undefined, wallMs: number): number {
  if (value === undefined) return 0;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - wallMs;
  return Number.isFinite(ms) ? Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms)) : 0;
}

/**
 * Handshake — the consent of an endpoint, asked before its first delivery.
 *
 * CloudEvents' abuse protection for webhooks: `OPTIONS` to the exact URL with
 * `WebHook-Request-Origin`; the answer consents by `WebHook-Allowed-Origin` with that origin or
 * `*`. The status proves nothing. As in Event Grid's namespaces no rate and no callback are asked
 * for, and `WebHook-Allowed-Rate` is not needed. Without consent: asked again, with back-off.
 */
import type { Random } from '#base';

/** Host name under which this broker introduces itself; sent on each delivery, too. */
export const REQUEST_ORIGIN_DEFAULT = 'weir';
export const REQUEST_ORIGIN_HEADER = 'webhook-request-origin';
export const ALLOWED_ORIGIN_HEADER = 'webhook-allowed-origin';

const ASK_AGAIN_MS_MIN = 500;
const ASK_AGAIN_MS_MAX = 60_000;

/** Whether the value(s) of `WebHook-Allowed-Origin` let `origin` deliver. */
export function isConsent(
  allowed: string | readonly string[] | undefined,
  origin: string,
): boolean {
  const values = typeof allowed === 'string' ? [allowed] : (allowed ?? []);
  return values
    .flatMap((value) => value.split(','))
    .some((value) => {
      const word = value.trim().toLowerCase();
      return word === '*' || word === origin.toLowerCase();
    });
}

/** Wait before asking again after the `failures`-th answer without consent (from 1). */
export function askAgainMs(failures: number, random: Random): number {
  const wait = Math.min(ASK_AGAIN_MS_MAX, ASK_AGAIN_MS_MIN * 2 ** Math.min(failures - 1, 16));
  return Math.round(wait * (1 + 0.2 * random()));
}

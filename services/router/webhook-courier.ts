/**
 * Webhook courier — all endpoints of a router process; deliveries find theirs by URL.
 *
 * Endpoints come with their first delivery and go when no event subscription names them any more.
 */
import type { Courier, Delivery } from './delivery.ts';
import { Endpoint } from './endpoint.ts';
import type { EndpointOptions } from './endpoint.ts';

export type CourierOptions = Omit<EndpointOptions, 'url' | 'onChange'> & {
  readonly onChange: (what: string, fields: object) => void;
};

export class WebhookCourier implements Courier {
  readonly #o: CourierOptions;
  readonly #endpoints = new Map<string, Endpoint>();

  constructor(options: CourierOptions) {
    this.#o = options;
  }

  /** Endpoints at rest or without consent, for metrics. */
  get heldCount(): number {
    let count = 0;
    for (const endpoint of this.#endpoints.values()) if (endpoint.heldForMs > 0) count++;
    return count;
  }

  send(delivery: Delivery): void {
    const url = delivery.subscription.endpointUrl;
    let endpoint = this.#endpoints.get(url);
    if (endpoint === undefined) {
      const { client, clock, random, onChange } = this.#o;
      const endpointHost = hostOf(url);
      endpoint = new Endpoint({
        url,
        client,
        clock,
        random,
        // The rest of a URL may hold secrets.
        onChange: (what, fields) => onChange(what, { endpointHost, ...fields }),
      });
      this.#endpoints.set(url, endpoint);
    }
    endpoint.send(delivery);
  }

  heldForMs(endpointUrl: string): number {
    return this.#endpoints.get(endpointUrl)?.heldForMs ?? 0;
  }

  /** Forgets endpoints that nobody names; one with requests under way goes the next time. */
  retain(endpointUrls: ReadonlySet<string>): void {
    for (const [url, endpoint] of this.#endpoints) {
      if (!endpointUrls.has(url) && endpoint.isIdle) this.#endpoints.delete(url);
    }
  }
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'invalid';
}

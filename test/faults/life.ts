/**
 * Life — what one subscription received, from its SUBACK to its end: the other side of the ledger.
 *
 * Clean:  ends with its connection. What was lost with it nobody can know; so it must be whole
 *         up to the last message that it received of each publisher and topic, and, if it still
 *         stands at the end of the run, in everything.
 * Stored: lasts as long as the session, over all its connections; must be whole in everything.
 * Group:  the members of a shared subscription, taken together.
 * Memory: one entry per received message.
 */
import { topicMatchesFilter } from '#topics';
import type { Broken } from './broken.ts';
import { streamOf } from './ledger.ts';
import type { Ledger, Publication } from './ledger.ts';

export type LifeKind = 'clean' | 'stored' | 'group' | 'webhook';

export interface LifeOptions {
  readonly kind: LifeKind;
  /** Who receives, for the table and for findings. */
  readonly name: string;
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly ledger: Ledger;
}

/** A PUBLISH as a receiver accepted it. */
export interface Arrival {
  readonly topic: string;
  readonly content: string;
  readonly qos: number;
  readonly dup: boolean;
  readonly retain: boolean;
}

/** To be shown; nobody reads more. */
const REPEATS_KEPT_MAX = 100;

interface First {
  readonly publication: Publication;
  readonly atMs: number;
}

export class Life {
  readonly options: LifeOptions;
  /** When SUBACK was seen; Infinity before. */
  sinceMs = Infinity;
  /** Infinity while it lasts. */
  endMs = Infinity;
  /** Publication → how often it was accepted. */
  readonly counts = new Map<Publication, number>();
  /** First arrivals that came behind a later one of the same publisher and topic. */
  readonly late: { readonly first: First; readonly before: Publication }[] = [];
  /** Seen to be wrong at once. */
  readonly broken: Broken[] = [];
  received = 0;
  /** Repeats that came without DUP, the first ones. */
  readonly repeatsWithoutDup: First[] = [];
  readonly #last = new Map<string, First>();
  readonly #matching = new Map<string, boolean>();

  constructor(options: LifeOptions) {
    this.options = options;
  }

  begin(): void {
    if (this.sinceMs === Infinity) this.sinceMs = performance.now();
  }

  end(): void {
    if (this.endMs === Infinity) this.endMs = performance.now();
  }

  /** The highest number that came of this publication's publisher and topic. */
  lastNumber({ publisher, topic }: Publication): number {
    return this.#last.get(streamOf(publisher, topic))?.publication.number ?? -1;
  }

  matches(topic: string): boolean {
    let is = this.#matching.get(topic);
    if (is === undefined) {
      is = topicMatchesFilter(topic, this.options.filter);
      this.#matching.set(topic, is);
    }
    return is;
  }

  take(arrival: Arrival): void {
    this.received += 1;
    const publication = this.options.ledger.find(arrival.content);
    if (publication === undefined || publication.topic !== arrival.topic) {
      this.fault('unknown', `${arrival.topic}: ${arrival.content.slice(0, 40)}`);
      return;
    }
    this.#checkTerms(arrival, publication);
    const count = (this.counts.get(publication) ?? 0) + 1;
    this.counts.set(publication, count);
    if (count === 1) this.#takeFirst(publication);
    else if (!arrival.dup && this.repeatsWithoutDup.length < REPEATS_KEPT_MAX) {
      this.repeatsWithoutDup.push({ publication, atMs: performance.now() });
    }
  }

  fault(what: Broken['what'], text: string, publication?: Publication): void {
    const { name } = this.options;
    this.broken.push({ what, who: name, text, atMs: performance.now(), publication });
  }

  #checkTerms(arrival: Arrival, publication: Publication): void {
    const { kind, qos } = this.options;
    if (kind === 'webhook') return;
    const wanted = Math.min(qos, publication.qos);
    if (arrival.qos !== wanted) {
      this.fault('terms', `QoS ${arrival.qos} instead of ${wanted}`, publication);
    }
    if (arrival.retain) this.fault('terms', 'RETAIN on a message that came live', publication);
    if (arrival.dup && kind === 'clean') this.fault('terms', 'DUP in a clean session', publication);
  }

  #takeFirst(publication: Publication): void {
    const stream = streamOf(publication.publisher, publication.topic);
    const last = this.#last.get(stream);
    const first = { publication, atMs: performance.now() };
    if (last === undefined || last.publication.number < publication.number) {
      this.#last.set(stream, first);
    } else this.late.push({ first, before: last.publication });
  }
}

/**
 * Ledger — what publishers know of their messages: when each was sent first, what became of it.
 *
 * Contents: `RUN-p17` or, of a will, `RUN-w3`, with padding behind a space; so whoever receives one
 *           finds its entry. Times are milliseconds of `performance.now` in this process, which all
 *           clients share: what is sent after a SUBACK was seen is behind that subscription.
 * Memory:   one entry per message for the whole run, some 200 bytes.
 */

/** Undefined: QoS 0, of which nobody says whether it was taken. */
export type Fate =
  /** Sent, not acknowledged yet. */
  | 'open'
  /** PUBACK, PUBCOMP, or, of a will, an abnormal end of its connection. */
  | 'acknowledged'
  /** Acknowledged with an error, or a will taken back by DISCONNECT. */
  | 'refused'
  /** Nobody can know: may have been published once. */
  | 'unsure';

export type Kind = 'message' | 'will';

export interface Publication {
  readonly kind: Kind;
  readonly id: number;
  readonly publisher: string;
  readonly topic: string;
  /** Rises by one per publisher and topic. */
  readonly number: number;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** First time that it was written to a socket; of a will, the end of its connection. */
  sentMs: number;
  settledMs: number | undefined;
  fate: Fate;
  /** How often it was published again as a new message: each may be received. */
  repeats: number;
}

export interface NewPublication {
  readonly kind?: Kind;
  readonly publisher: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain?: boolean;
}

export class Ledger {
  /** In the order of `sentMs`. */
  readonly messages: Publication[] = [];
  readonly wills: Publication[] = [];
  readonly #run: string;
  /** Last number of each publisher and topic. */
  readonly #numbers = new Map<string, number>();

  /** `run` is a word that no other run on the same cluster uses. */
  constructor(run: string) {
    this.#run = run;
  }

  add({ kind = 'message', publisher, topic, qos, retain = false }: NewPublication): Publication {
    const list = kind === 'will' ? this.wills : this.messages;
    const stream = streamOf(publisher, topic);
    const number = (this.#numbers.get(stream) ?? -1) + 1;
    this.#numbers.set(stream, number);
    const publication: Publication = {
      ...{ kind, id: list.length, publisher, topic, number, qos, retain },
      ...{ sentMs: performance.now(), settledMs: undefined, fate: 'open', repeats: 0 },
    };
    list.push(publication);
    return publication;
  }

  /** The second time, what is known by then; its time stays. */
  settle(publication: Publication, fate: Exclude<Fate, 'open'>): void {
    const isFirst = publication.fate === 'open';
    publication.fate = fate;
    if (!isFirst) return;
    publication.settledMs = performance.now();
    if (publication.kind === 'will') publication.sentMs = publication.settledMs;
  }

  content({ kind, id }: Publication, padding = ''): string {
    const name = `${this.#run}-${kind === 'will' ? 'w' : 'p'}${id}`;
    return padding === '' ? name : `${name} ${padding}`;
  }

  /** Undefined: nobody here has published that. */
  find(content: string): Publication | undefined {
    const [name = ''] = content.split(' ', 1);
    const match = /^(.+)-([pw])(\d+)$/.exec(name);
    if (match?.[1] !== this.#run) return undefined;
    return (match[2] === 'w' ? this.wills : this.messages)[Number(match[3])];
  }

  count(fate: Fate): number {
    let count = 0;
    for (const publication of this.messages) if (publication.fate === fate) count += 1;
    return count;
  }

  /** Index of the first message that was sent after `ms`. */
  firstAfter(ms: number): number {
    let [low, high] = [0, this.messages.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.messages[middle]?.sentMs ?? 0) > ms) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export function streamOf(publisher: string, topic: string): string {
  return `${publisher} ${topic}`;
}

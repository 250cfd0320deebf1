/**
 * Judgement — a life against the ledger: what is owed and not there, twice, or out of order.
 *
 * Entitled: acknowledged, QoS ≥ 1, matching, first sent after SUBACK was seen (so the broker got it
 *           later); within a life that has ended, only before the last that came of its stream.
 * Excused:  what publishers sent again may come as often as it was sent; what nobody can know the
 *           fate of may come once, at any time.
 * Calm:     a run without faults also owes QoS 0 to who is always there, and knows no repeat
 *           without DUP.
 */
import type { Broken } from './broken.ts';
import type { Publication } from './ledger.ts';
import type { Life } from './life.ts';

export interface JudgementOptions {
  /** Nothing was struck in the whole run. */
  readonly calm: boolean;
}

export interface Judgement {
  readonly entitled: number;
  /** Entitled and not there. */
  readonly missing: Publication[];
  /** Accepted again without a repeat by the publisher. */
  readonly duplicates: number;
  /** Of those, with a repeat by the publisher. */
  readonly excused: number;
  readonly outOfOrder: number;
  readonly broken: Broken[];
}

export function judge(life: Life, options: JudgementOptions): Judgement {
  const { entitled, missing } = compare(life, options);
  const repeats = judgeRepeats(life, options);
  const order = judgeOrder(life);
  const lost = missing.map((publication) =>
    broken(life, 'lost', publication, publication.settledMs ?? publication.sentMs),
  );
  return {
    entitled,
    missing,
    duplicates: repeats.duplicates,
    excused: repeats.excused,
    outOfOrder: order.count,
    broken: [...life.broken, ...lost, ...repeats.broken, ...order.broken],
  };
}

/** Messages that are entitled and not there yet, without the rest of the judgement. */
export function compare(
  life: Life,
  { calm }: JudgementOptions,
): { entitled: number; missing: Publication[] } {
  const { ledger } = life.options;
  const missing: Publication[] = [];
  let entitled = 0;
  const look = (publication: Publication): void => {
    if (!isEntitled(life, publication, calm)) return;
    entitled += 1;
    if (!life.counts.has(publication)) missing.push(publication);
  };
  const { messages, wills } = ledger;
  for (let index = ledger.firstAfter(life.sinceMs); index < messages.length; index++) {
    const publication = messages[index];
    if (publication === undefined || publication.sentMs > life.endMs) break;
    look(publication);
  }
  for (const will of wills) if (will.sentMs > life.sinceMs) look(will);
  return { entitled, missing };
}

function isEntitled(life: Life, publication: Publication, calm: boolean): boolean {
  const { qos, fate, topic, number } = publication;
  if (!life.matches(topic) || (qos > 0 && fate !== 'acknowledged')) return false;
  const isOver = life.endMs !== Infinity;
  if (qos === 0 || life.options.qos === 0) return calm && !isOver && staysPresent(life);
  return !isOver || number < life.lastNumber(publication);
}

/** QoS 0 is not kept for who is away, or on the way to another gateway. */
function staysPresent({ options: { kind } }: Life): boolean {
  return kind === 'clean' || kind === 'webhook';
}

function judgeRepeats(
  life: Life,
  { calm }: JudgementOptions,
): { duplicates: number; excused: number; broken: Broken[] } {
  let [duplicates, excused] = [0, 0];
  const list: Broken[] = [];
  for (const [publication, count] of life.counts) {
    if (publication.fate === 'refused') list.push(broken(life, 'refused', publication));
    if (count === 1) continue;
    const unasked = Math.max(0, count - 1 - publication.repeats);
    excused += count - 1 - unasked;
    if (unasked === 0) continue;
    duplicates += unasked;
    if (isForbiddenTwice(life, publication)) list.push(broken(life, 'twice', publication));
  }
  // Redelivery is told by DUP; only a group may hand on what another member held.
  if (!calm || life.options.kind !== 'stored') return { duplicates, excused, broken: list };
  for (const { publication, atMs } of life.repeatsWithoutDup) {
    if (publication.repeats > 0 || isForbiddenTwice(life, publication)) continue;
    list.push(broken(life, 'without DUP', publication, atMs));
  }
  return { duplicates, excused, broken: list };
}

/** Webhooks and stored QoS 1 sessions may see a message again after a fault. */
function isForbiddenTwice(life: Life, { qos }: Publication): boolean {
  const { kind } = life.options;
  if (kind === 'webhook') return false;
  return kind === 'clean' || Math.min(qos, life.options.qos) !== 1;
}

function judgeOrder(life: Life): { count: number; broken: Broken[] } {
  const { kind } = life.options;
  if (kind === 'webhook') return { count: 0, broken: [] };
  const late = life.late.filter(({ first: { publication }, before }) => {
    const isOrdered = [publication, before].every(
      ({ qos, fate }) => qos > 0 && fate === 'acknowledged',
    );
    return isOrdered && publication.sentMs > life.sinceMs;
  });
  // Members of a group may hand on in another order than they took; it is counted only.
  if (kind === 'group') return { count: late.length, broken: [] };
  const list = late.map(({ first: { publication, atMs }, before }) => {
    const text = `number ${publication.number} of ${publication.topic} behind ${before.number}`;
    return { what: 'order' as const, who: life.options.name, text, atMs, publication };
  });
  return { count: late.length, broken: list };
}

function broken(
  life: Life,
  what: Broken['what'],
  publication: Publication,
  atMs = publication.sentMs,
): Broken {
  const { kind, id, publisher, topic, number, qos, fate, repeats } = publication;
  const times = life.counts.get(publication) ?? 0;
  const text =
    `${kind} ${id} (number ${number} of ${publisher} in ${topic}, QoS ${qos}, ${fate}` +
    `${repeats > 0 ? `, sent again ${repeats} times` : ''}) came ${times} times`;
  return { what, who: life.options.name, text, atMs, publication };
}

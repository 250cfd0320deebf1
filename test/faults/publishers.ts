/**
 * Publishers — who publishes in a run: every QoS, both versions, patient and not, shared topics.
 */
import { Publisher } from './publisher.ts';
import type { PublisherOptions } from './publisher.ts';
import type { Ground } from './role.ts';

/** Enough that each partition has some. */
const TOPICS = 8;
/** Of all publishers together: each message goes to every subscriber, and to a webhook. */
const PER_SECOND_DEFAULT = 120;
/** Shorter than most stops and outages. */
const IMPATIENCE_MS = 2_500;

type Kind = Pick<PublisherOptions, 'qos' | 'version' | 'isStored' | 'patienceMs'> & {
  readonly who: string;
};

const KINDS: readonly Kind[] = [
  { who: 'p-q1', qos: 1, version: 5 },
  { who: 'p-q1-v3', qos: 1, version: 4 },
  { who: 'p-impatient', qos: 1, version: 5, patienceMs: IMPATIENCE_MS },
  { who: 'p-q0', qos: 0, version: 5 },
];
const QOS2: readonly Kind[] = [{ who: 'p-q2', qos: 2, version: 5 }];
const QOS2_STORED: readonly Kind[] = [
  { who: 'p-q2-stored', qos: 2, version: 5, isStored: true },
  { who: 'p-q2-v3', qos: 2, version: 4, isStored: true, patienceMs: IMPATIENCE_MS },
];

export function startPublishers(ground: Ground, perSecond = PER_SECOND_DEFAULT): Publisher[] {
  const { run, ledger, entrance, random, isOn } = ground;
  const kinds = [
    ...KINDS,
    ...(isOn('qos2') ? QOS2 : []),
    ...(isOn('qos2') && isOn('stored') ? QOS2_STORED : []),
  ];
  const topics = Array.from({ length: TOPICS }, (_, index) => `${run}/live/${index}`);
  return kinds.map(
    ({ who, ...kind }) =>
      new Publisher({
        ...{ name: `${run}-${who}`, ledger, entrance, random, topics },
        ...{ perSecond: perSecond / kinds.length, ...kind },
      }),
  );
}

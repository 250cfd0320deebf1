/**
 * Topics — syntax of topic names (bytes of a PUBLISH) and of topic filters (MQTT 5 §4.7, §4.8.2).
 *
 * Matching is lib/topics. A name is checked on each PUBLISH, so its ASCII path is one table look-up
 * per byte; filters come rarely and are checked as strings.
 */
import type { PublishView } from './publish-view.ts';
import { sequenceLength } from './utf8.ts';

export type TopicFault = 'topic_empty' | 'topic_zero' | 'topic_wildcard' | 'topic_utf8';

const PLUS = 0x2b;
const HASH = 0x23;

/** 1 = the byte needs a closer look. */
const SPECIAL = new Uint8Array(256).fill(1, 0x80);
SPECIAL[0] = 1;
SPECIAL[PLUS] = 1;
SPECIAL[HASH] = 1;

/** Checks the topic name in `[start, end)`, its length field not included. */
export function validateTopicName(b: Buffer, start: number, end: number): TopicFault | undefined {
  for (let i = start; i < end; i++) {
    if (SPECIAL[b[i] as number] !== 0) return closerLook(b, i, end);
  }
  return start === end ? 'topic_empty' : undefined;
}

function closerLook(b: Buffer, start: number, end: number): TopicFault | undefined {
  let i = start;
  while (i < end) {
    const byte = b[i] as number;
    if (SPECIAL[byte] === 0) {
      i++;
      continue;
    }
    if (byte === 0) return 'topic_zero';
    if (byte < 0x80) return 'topic_wildcard';
    const length = sequenceLength(b, i, end);
    if (length === 0) return 'topic_utf8';
    i += length;
  }
  return undefined;
}

/** The topic's bytes as latin1: a cheap map key, equal exactly when the topics are. */
export function topicKeyOf(view: PublishView): string {
  return view.buffer.toString('latin1', view.topicStart + 2, view.topicEnd);
}

/** The topic as text. */
export function topicOf(view: PublishView): string {
  return view.buffer.toString('utf8', view.topicStart + 2, view.topicEnd);
}

const SHARE = '$share/';

/** Whether a filter asks for a shared subscription ([MQTT-4.8.2-1]); its grammar may be wrong. */
export function isSharedFilter(filter: string): boolean {
  return filter.startsWith(SHARE);
}

/** What is wrong with a filter's syntax: a sentence and the statement; undefined when nothing. */
export function topicFilterFault(filter: string): string | undefined {
  if (!isSharedFilter(filter)) return plainFilterFault(filter);
  const slash = filter.indexOf('/', SHARE.length);
  const name = slash < 0 ? filter.slice(SHARE.length) : filter.slice(SHARE.length, slash);
  if (name === '') return 'share name is empty [MQTT-4.8.2-1]';
  if (name.includes('+') || name.includes('#')) {
    return 'share name holds a wildcard [MQTT-4.8.2-2]';
  }
  if (slash < 0 || slash + 1 === filter.length) {
    return 'share name is not followed by a filter [MQTT-4.8.2-2]';
  }
  return plainFilterFault(filter.slice(slash + 1));
}

function plainFilterFault(filter: string): string | undefined {
  if (filter === '') return 'filter is empty [MQTT-4.7.3-1]';
  const last = filter.length - 1;
  for (let i = 0; i <= last; i++) {
    const character = filter.charCodeAt(i);
    if (character === 0) return 'filter holds U+0000 [MQTT-4.7.3-2]';
    if (character !== HASH && character !== PLUS) continue;
    const begins = i === 0 || filter[i - 1] === '/';
    if (character === HASH && !(begins && i === last)) {
      return '# is not alone in the last level [MQTT-4.7.1-1]';
    }
    if (character === PLUS && !(begins && (i === last || filter[i + 1] === '/'))) {
      return '+ is not alone in its level [MQTT-4.7.1-2]';
    }
  }
  return undefined;
}

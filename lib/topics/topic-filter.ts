/**
 * Topic filters against topic names and against each other (MQTT 5 §4.7).
 *
 * Works on any string form of the bytes (UTF-8 decoded or latin1): `/`, `+`, `#` and `$` are one
 * byte in both, so only equality matters, and both sides must use the same form.
 * Cost: one walk over the characters, nothing allocated.
 */
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

/** [MQTT-4.7.3-3]: topics and filters are at most 65,535 bytes long. */
const TOPIC_LENGTH_MAX = 65_535;

/**
 * Whether the (valid) topic name matches the (valid) filter. A filter that begins with a wildcard
 * does not match a topic that begins with `$` [MQTT-4.7.2-1].
 */
export function topicMatchesFilter(topic: string, filter: string): boolean {
  const first = filter.charCodeAt(0);
  if ((first === PLUS || first === HASH) && topic.charCodeAt(0) === DOLLAR) return false;
  const topicLength = topic.length;
  const filterLength = filter.length;
  let t = 0;
  let f = 0;
  while (f < filterLength) {
    const code = filter.charCodeAt(f);
    if (code === HASH) return true;
    if (code === PLUS) {
      f++;
      while (t < topicLength && topic.charCodeAt(t) !== SLASH) t++;
      continue;
    }
    if (t >= topicLength) {
      // `a/#` also matches its parent `a` (§4.7.1.2).
      return code === SLASH && f + 2 === filterLength && filter.charCodeAt(f + 1) === HASH;
    }
    if (code !== topic.charCodeAt(t)) return false;
    f++;
    t++;
  }
  return t === topicLength;
}

/**
 * Whether every topic that `narrow` matches is matched by `wide`, too. Both are valid filters.
 * A filter that begins with a wildcard covers none that begins with `$`.
 */
export function filterCovers(wide: string, narrow: string): boolean {
  const first = wide.charCodeAt(0);
  if ((first === PLUS || first === HASH) && narrow.charCodeAt(0) === DOLLAR) return false;
  // No topic is empty, so these two have no parent to match and mean one level more.
  if (narrow === '#') return levelsCover(wide, '+/#');
  return levelsCover(wide, narrow === '/#' ? '/+/#' : narrow);
}

/** A valid topic filter: 1–65,535 characters, no NUL, wildcards alone in their level, `#` last. */
export function isTopicFilter(text: string): boolean {
  const length = text.length;
  if (length === 0 || length > TOPIC_LENGTH_MAX) return false;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0) return false;
    if (code !== PLUS && code !== HASH) continue;
    if (i > 0 && text.charCodeAt(i - 1) !== SLASH) return false;
    if (code === HASH) return i === length - 1;
    if (i + 1 < length && text.charCodeAt(i + 1) !== SLASH) return false;
  }
  return true;
}

/** A valid topic name: as a filter, but without wildcards. */
export function isTopicName(text: string): boolean {
  if (text.length === 0 || text.length > TOPIC_LENGTH_MAX) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code === PLUS || code === HASH) return false;
  }
  return true;
}

function levelsCover(wide: string, narrow: string): boolean {
  let w = 0;
  let n = 0;
  for (;;) {
    if (wide.charCodeAt(w) === HASH) return true;
    if (narrow.charCodeAt(n) === HASH) return false;
    const wideEnd = levelEnd(wide, w);
    const narrowEnd = levelEnd(narrow, n);
    if (!levelCovers(wide, w, wideEnd, narrow, n, narrowEnd)) return false;
    if (narrowEnd === narrow.length) {
      return wideEnd === wide.length || isHashTail(wide, wideEnd);
    }
    if (wideEnd === wide.length) return false;
    w = wideEnd + 1;
    n = narrowEnd + 1;
  }
}

function levelEnd(text: string, from: number): number {
  const end = text.indexOf('/', from);
  return end < 0 ? text.length : end;
}

function levelCovers(
  wide: string,
  w: number,
  wideEnd: number,
  narrow: string,
  n: number,
  narrowEnd: number,
): boolean {
  if (wide.charCodeAt(w) === PLUS && wideEnd === w + 1) return true;
  if (wideEnd - w !== narrowEnd - n) return false;
  // A `+` in `narrow` equals no literal: a valid literal level holds no wildcard.
  for (let i = 0; i < wideEnd - w; i++) {
    if (wide.charCodeAt(w + i) !== narrow.charCodeAt(n + i)) return false;
  }
  return true;
}

function isHashTail(filter: string, at: number): boolean {
  return at + 2 === filter.length && filter.charCodeAt(at + 1) === HASH;
}

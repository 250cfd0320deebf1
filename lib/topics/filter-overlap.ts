/**
 * Overlap of topic filters — whether some topic is matched by both.
 *
 * Works level by level on any string form of the bytes, the same for both. `$` topics are not told
 * apart: a filter that begins with a wildcard counts as overlapping one that begins with `$`; and
 * `+` counts as overlapping `/#`, though the topic between them would be empty.
 */
export function filtersOverlap(one: string, other: string): boolean {
  const a = one.split('/');
  const b = other.split('/');
  for (let level = 0; ; level++) {
    const left = a[level];
    const right = b[level];
    // `#` also matches its parent level, where the other filter may end.
    if (left === '#' || right === '#') return true;
    if (left === undefined || right === undefined) return left === right;
    if (left !== '+' && right !== '+' && left !== right) return false;
  }
}

/** Subject matching of NATS: tokens between dots, `*` one token, `>` one or more at the end. */
export function hasWildcard(subject: string): boolean {
  return /(^|\.)[*>](\.|$)/.test(subject);
}

export function subjectMatches(filter: string, subject: string): boolean {
  if (filter === subject) return true;
  if (!hasWildcard(filter)) return false;
  const filterTokens = filter.split('.');
  const tokens = subject.split('.');
  for (let i = 0; i < filterTokens.length; i++) {
    const wanted = filterTokens[i];
    if (wanted === '>') return tokens.length > i;
    if (i >= tokens.length || (wanted !== '*' && wanted !== tokens[i])) return false;
  }
  return filterTokens.length === tokens.length;
}

/**
 * Words, signs and values of a group query (grammar: `group-query.ts`). One pass, no backtracking.
 */
export interface QueryToken {
  readonly kind: 'word' | 'text' | 'integer' | 'operator' | 'sign';
  /** For a text: what stands between the quotes, without escapes. */
  readonly text: string;
  /** Index of its first character, from 0. */
  readonly position: number;
}

const TOKEN = new RegExp(
  [
    String.raw`\s+`,
    '(?<word>[A-Za-z_][A-Za-z0-9_.]*)',
    '(?<integer>-?[0-9]+)',
    '(?<operator><>|!=|<=|>=|[=<>])',
    String.raw`(?<sign>[()[\],])`,
    `(?<quote>["'])`,
  ].join('|'),
  'y',
);

/** The tokens, or a sentence that says what is wrong where. */
export function tokenizeQuery(text: string): QueryToken[] | string {
  const tokens: QueryToken[] = [];
  let position = 0;
  while (position < text.length) {
    TOKEN.lastIndex = position;
    const groups = TOKEN.exec(text)?.groups;
    const end = TOKEN.lastIndex;
    if (groups === undefined) return `unexpected character at ${position + 1}`;
    const { word, integer, operator, sign, quote } = groups;
    if (quote !== undefined) {
      const quoted = readQuoted(text, position);
      if (quoted === undefined) return `the text that begins at ${position + 1} has no end`;
      tokens.push({ kind: 'text', text: quoted.text, position });
      position = quoted.end;
      continue;
    }
    if (word !== undefined) tokens.push({ kind: 'word', text: word, position });
    else if (operator !== undefined) tokens.push({ kind: 'operator', text: operator, position });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, position });
    else if (integer !== undefined) {
      if (!Number.isSafeInteger(Number(integer)))
        return `the number at ${position + 1} is too large`;
      tokens.push({ kind: 'integer', text: integer, position });
    }
    position = end;
  }
  return tokens;
}

function readQuoted(text: string, start: number): { text: string; end: number } | undefined {
  const quote = text[start];
  let value = '';
  for (let i = start + 1; i < text.length; i++) {
    const letter = text[i] ?? '';
    if (letter === quote) return { text: value, end: i + 1 };
    const escaped = letter === '\\' ? text[i + 1] : undefined;
    if (escaped === quote || escaped === '\\') {
      value += escaped;
      i++;
    } else value += letter;
  }
  return undefined;
}

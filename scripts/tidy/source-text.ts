/**
 * Source text — a TypeScript or JavaScript file with its comments, and with its strings, blanked.
 *
 * Blanking keeps length and lines, so that a place in one view is the same place in all.
 * One pass, no syntax tree: strings, templates, comments and regular expressions are told apart by
 * the token before a slash, which is enough for code that passes the linter.
 */

export interface SourceText {
  /** Comments replaced by spaces; strings as they are. */
  readonly code: string;
  /** Comments, and the inside of strings, templates and regular expressions, replaced. */
  readonly bare: string;
}

/** After one of these words a slash begins a regular expression. */
const WORDS_BEFORE_REGEX = new Set(['return', 'typeof', 'case', 'in', 'of', 'void', 'throw']);

interface Scan {
  readonly text: string;
  at: number;
  readonly code: string[];
  readonly bare: string[];
  /** Depth of braces at which each open template goes on. */
  readonly templates: number[];
  depth: number;
}

export function blankSource(text: string): SourceText {
  const scan: Scan = { text, at: 0, code: [...split(text)], bare: [], templates: [], depth: 0 };
  scan.bare.push(...scan.code);
  while (scan.at < text.length) step(scan);
  return { code: scan.code.join(''), bare: scan.bare.join('') };
}

/** By UTF-16 unit: places are those of the text. */
function split(text: string): string[] {
  return text.split('');
}

function step(scan: Scan): void {
  const { text, at } = scan;
  const here = text[at];
  const next = text[at + 1];
  if (here === '/' && next === '/') blankComment(scan, lineEnd(text, at));
  else if (here === '/' && next === '*') blankComment(scan, blockEnd(text, at));
  else if (here === "'" || here === '"') blankString(scan, here);
  else if (here === '`') blankTemplate(scan, at + 1);
  else if (here === '/' && beginsRegex(scan)) blankRegex(scan);
  else if (here === '{') {
    scan.depth++;
    scan.at++;
  } else if (here === '}') closeBrace(scan);
  else scan.at++;
}

function closeBrace(scan: Scan): void {
  if (scan.templates.at(-1) === scan.depth) {
    scan.templates.pop();
    scan.depth--;
    blankTemplate(scan, scan.at + 1);
    return;
  }
  scan.depth--;
  scan.at++;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

function blockEnd(text: string, from: number): number {
  const end = text.indexOf('*/', from + 2);
  return end < 0 ? text.length : end + 2;
}

function blankComment(scan: Scan, end: number): void {
  blank(scan.code, scan.at, end);
  blank(scan.bare, scan.at, end);
  scan.at = end;
}

function blankString(scan: Scan, quote: string): void {
  let end = scan.at + 1;
  while (end < scan.text.length && scan.text[end] !== quote && scan.text[end] !== '\n') {
    end += scan.text[end] === '\\' ? 2 : 1;
  }
  blank(scan.bare, scan.at + 1, end);
  scan.at = end + 1;
}

/** From `start` to the end of the template or to the next `${`, whose code is read as code. */
function blankTemplate(scan: Scan, start: number): void {
  let end = start;
  while (end < scan.text.length && scan.text[end] !== '`') {
    if (scan.text[end] === '$' && scan.text[end + 1] === '{') {
      blank(scan.bare, start, end);
      scan.depth++;
      scan.templates.push(scan.depth);
      scan.at = end + 2;
      return;
    }
    end += scan.text[end] === '\\' ? 2 : 1;
  }
  blank(scan.bare, start, end);
  scan.at = end + 1;
}

function beginsRegex(scan: Scan): boolean {
  let before = scan.at - 1;
  while (before >= 0 && /\s/.test(scan.bare[before] ?? '')) before--;
  const last = scan.bare[before];
  if (last === undefined) return true;
  if (/[\w$]/.test(last)) {
    let start = before;
    while (start > 0 && /[\w$]/.test(scan.bare[start - 1] ?? '')) start--;
    return WORDS_BEFORE_REGEX.has(scan.bare.slice(start, before + 1).join(''));
  }
  return !')]}"\'`'.includes(last);
}

function blankRegex(scan: Scan): void {
  let end = scan.at + 1;
  let inClass = false;
  while (end < scan.text.length && scan.text[end] !== '\n') {
    const here = scan.text[end];
    if (here === '/' && !inClass) break;
    if (here === '[') inClass = true;
    else if (here === ']') inClass = false;
    end += here === '\\' ? 2 : 1;
  }
  blank(scan.bare, scan.at + 1, end);
  scan.at = end + 1;
}

function blank(view: string[], start: number, end: number): void {
  for (let i = start; i < end && i < view.length; i++) if (view[i] !== '\n') view[i] = ' ';
}

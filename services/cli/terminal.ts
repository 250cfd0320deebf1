/**
 * Terminal — colours, where they are wanted: never when the stream is no terminal or NO_COLOR is
 * set.
 */

/** `red('text')` and so on; without colours they return the text as it is. */
export interface Palette {
  readonly enabled: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
  /** One of a few well-readable colours, the same for the same number. */
  numbered(number: number, text: string): string;
}

/** Cyan, magenta, blue, green, yellow and their bright forms: SGR codes. */
const NUMBERED_CODES = [36, 35, 34, 32, 33, 96, 95, 94, 92, 93];

export function createPalette(enabled: boolean): Palette {
  const paint = (code: number, text: string): string =>
    enabled ? `\u001b[${code}m${text}\u001b[0m` : text;
  return {
    enabled,
    bold: (text) => paint(1, text),
    dim: (text) => paint(2, text),
    red: (text) => paint(31, text),
    yellow: (text) => paint(33, text),
    green: (text) => paint(32, text),
    numbered: (number, text) => paint(NUMBERED_CODES[number % NUMBERED_CODES.length] ?? 36, text),
  };
}

/** Whether to colour what goes to `stream` (https://no-color.org: set and not empty). */
export function wantsColour(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}

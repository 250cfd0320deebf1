/** Types of selection.mjs. */

export interface Selection {
  readonly checks: boolean;
  readonly folders: readonly string[];
  readonly texts: readonly string[];
  readonly namePattern: string | undefined;
  readonly timeLimitMs: number;
  readonly help: boolean;
}
export const FOLDERS: readonly string[];
export function parseSelection(args: readonly string[]): Selection;

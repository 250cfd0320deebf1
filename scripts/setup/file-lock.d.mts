/** Types of file-lock.mjs. */

export function withFileLock<T>(
  path: string,
  options: { readonly waitMs: number; readonly onWait?: () => void },
  task: () => Promise<T>,
): Promise<T>;

/** Types of dependencies.mjs. */

export function isInstalled(root: string): boolean;

/** Types of project.mjs, for scripts in TypeScript. */

export const ROOT: string;
export function cacheDirectory(): string;

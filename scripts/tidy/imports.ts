/**
 * Imports — every module that a file names: static, dynamic, re-exported.
 */
import { lineAt, type Tree } from './tree.ts';

export interface Import {
  /** As written: `#base`, `./record.ts`, `node:net`, `@nats-io/jetstream`. */
  readonly specifier: string;
  readonly line: number;
}

/** `import … from 'x'`, `export … from 'x'`, `import 'x'`. */
const STATIC = /(?:^|[;{}\s])(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?(['"])([^'"\n]+)\1/g;
/** `import('x')`, `require('x')`. */
const CALLED = /\b(?:import|require)\s*\(\s*(['"])([^'"\n]+)\1/g;

export function importsOf(tree: Tree, path: string): Import[] {
  const { code } = tree.source(path);
  return [...code.matchAll(STATIC), ...code.matchAll(CALLED)].map((match) => ({
    specifier: match[2] ?? '',
    line: lineAt(code, match.index + match[0].length - 1),
  }));
}

/** The file that a relative specifier names, from the root. */
export function resolveRelative(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

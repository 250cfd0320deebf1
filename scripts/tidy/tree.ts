/**
 * Tree — the files that tidy reads: everything that git knows or would take, as text in memory.
 *
 * Rules get a tree and nothing else, so that a test can plant a fault without touching the disk.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { blankSource, type SourceText } from './source-text.ts';

/** What a rule found. `line` counts from 1; 0 = the file as a whole. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly says: string;
}

export type Rule = (tree: Tree) => Finding[];

const SOURCE_NAME = /\.(ts|mts|mjs)$/;
/** Made by a program: the text is not ours to shape. */
const GENERATED = /(^|\/)gen\//;
/** Not text. */
const BINARY_NAME = /\.(png|jpg|ico|woff2?|der|p12|gz|zip)$/;
const TEXT_BYTES_MAX = 2 * 1024 * 1024;

export class Tree {
  readonly #texts: ReadonlyMap<string, string>;
  readonly #sources = new Map<string, SourceText>();

  /** Paths are relative to the root, with forward slashes. */
  constructor(texts: Readonly<Record<string, string>>) {
    this.#texts = new Map(Object.entries(texts));
  }

  get paths(): string[] {
    return [...this.#texts.keys()];
  }
  /** Written program files, without generated ones. */
  get sourcePaths(): string[] {
    return this.paths.filter((path) => SOURCE_NAME.test(path) && !GENERATED.test(path));
  }
  has(path: string): boolean {
    return this.#texts.has(path);
  }
  /** Empty for a file that is not there. */
  text(path: string): string {
    return this.#texts.get(path) ?? '';
  }
  source(path: string): SourceText {
    let source = this.#sources.get(path);
    if (source === undefined) {
      source = blankSource(this.text(path));
      this.#sources.set(path, source);
    }
    return source;
  }
}

/** Line of a place in a text, from 1. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i >= 0 && i < index; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** Reads the working tree under `root`: tracked files and new ones that are not ignored. */
export function readTree(root: string): Tree {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', args, { cwd: root, encoding: 'utf8' });
  const texts: Record<string, string> = {};
  for (const path of listed.split('\0')) {
    if (path === '' || BINARY_NAME.test(path)) continue;
    const absolute = join(root, path);
    if (!existsSync(absolute) || statSync(absolute).size > TEXT_BYTES_MAX) continue;
    if (statSync(absolute).isFile()) texts[path] = readFileSync(absolute, 'utf8');
  }
  return new Tree(texts);
}

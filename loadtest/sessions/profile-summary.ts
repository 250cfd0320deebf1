/** Profile summary — where the time of a CPU profile went, as text beside it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const FUNCTIONS_SHOWN = 25;

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}

interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
}

/** Writes `FILE.txt`: functions by their own time, and by their time with what they call. */
export function summarize(path: string): void {
  const {
    nodes,
    samples = [],
    timeDeltas = [],
  } = JSON.parse(readFileSync(path, 'utf8')) as Profile;
  const own = new Map<number, number>();
  for (const [i, id] of samples.entries()) {
    own.set(id, (own.get(id) ?? 0) + (timeDeltas[i] ?? 0));
  }
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const selfTimes = new Map<string, number>();
  const totalTimes = new Map<string, number>();
  const walk = (node: ProfileNode, above: ReadonlySet<string>): number => {
    const name = nameOf(node);
    const self = own.get(node.id) ?? 0;
    selfTimes.set(name, (selfTimes.get(name) ?? 0) + self);
    const within = new Set(above).add(name);
    let total = self;
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child !== undefined) total += walk(child, within);
    }
    // Once per recursion.
    if (!above.has(name)) totalTimes.set(name, (totalTimes.get(name) ?? 0) + total);
    return total;
  };
  const root = nodes[0];
  const all = root === undefined ? 0 : walk(root, new Set());
  const idle = selfTimes.get('(idle)') ?? 0;
  const text = [
    `${basename(path)}: busy ${seconds(all - idle)} of ${seconds(all)}`,
    'own time',
    ...table(selfTimes, all - idle),
    'with callees',
    ...table(totalTimes, all - idle),
    '',
  ];
  writeFileSync(`${path}.txt`, text.join('\n'));
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.split('/').slice(-3).join('/');
  const place = file === '' ? '' : ` ${file}:${lineNumber + 1}`;
  return `${functionName === '' ? 'anonymous' : functionName}${place}`;
}

function table(times: ReadonlyMap<string, number>, busy: number): string[] {
  return [...times]
    .filter(([name]) => name !== '(idle)' && name !== '(root)')
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, FUNCTIONS_SHOWN)
    .map(([name, time]) => `  ${((100 * time) / busy).toFixed(1).padStart(5)} %  ${name}`);
}

function seconds(microseconds: number): string {
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

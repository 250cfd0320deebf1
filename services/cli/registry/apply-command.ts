/**
 * `weir apply` — creates or replaces the resources of YAML files through the control API.
 *
 * Order: by kind, so that what is referred to exists first; within a kind as in the files.
 * Faults: faults of the files stop it before the first request. A resource that the API refuses is
 *         told with file, line and field; the others are still applied; exit code 1.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Fault } from '#base';
import { RESOURCE_KINDS } from '#registry';
import { ControlClient, ControlRefusal, DEFAULT_API_URL } from './control-client.ts';
import { readResourceFile } from './resource-file.ts';
import type { DeclaredResource } from './resource-file.ts';

export type WriteLine = (line: string) => void;

export function applyCommand(program: Command): void {
  program
    .command('apply')
    .description('create or replace the resources of YAML files')
    .requiredOption('-f, --file <file...>', 'YAML files, one resource per document; - reads stdin')
    .option('--api <url>', 'address of the control API', DEFAULT_API_URL)
    .action(async (options: { file: string[]; api: string }) => {
      const resources = readResources(options.file);
      const client = new ControlClient(options.api);
      const failed = await applyResources(client, resources, console.log, console.error);
      if (failed > 0) process.exitCode = 1;
    });
}

/** Reads all files. Throws one Fault that lists everything that is wrong. */
export function readResources(files: readonly string[]): DeclaredResource[] {
  const resources: DeclaredResource[] = [];
  const faults: string[] = [];
  for (const file of files) {
    const read = readResourceFile(file === '-' ? 'stdin' : file, readText(file));
    resources.push(...read.resources);
    faults.push(...read.faults);
  }
  const seen = new Map<string, DeclaredResource>();
  for (const resource of resources) {
    const key = `${resource.kind}/${resource.name}`;
    const first = seen.get(key);
    if (first !== undefined) {
      faults.push(`${resource.placeOf('name')}: ${key} stands at ${first.placeOf('name')}, too`);
    }
    seen.set(key, resource);
  }
  if (faults.length > 0) throw new Fault('WEIR_CONFIG', `nothing applied:\n${faults.join('\n')}`);
  return resources;
}

/** Applies in the order of dependence; returns how many were refused. Throws Fault. */
export async function applyResources(
  client: ControlClient,
  resources: readonly DeclaredResource[],
  out: WriteLine,
  err: WriteLine,
): Promise<number> {
  let failed = 0;
  for (const kind of RESOURCE_KINDS) {
    for (const resource of resources) {
      if (resource.kind !== kind) continue;
      try {
        const applied = await client.apply(kind, resource.name, resource.spec);
        out(`${applied} ${kind}/${resource.name}`);
      } catch (cause) {
        if (!(cause instanceof ControlRefusal)) throw cause;
        failed++;
        for (const line of refusalLines(resource, cause)) err(line);
      }
    }
  }
  return failed;
}

function refusalLines(resource: DeclaredResource, refusal: ControlRefusal): string[] {
  const label = `${resource.kind}/${resource.name}`;
  if (refusal.violations.length === 0) {
    return [`${resource.placeOf('name')}: ${label}: ${refusal.message}`];
  }
  return refusal.violations.map(
    ({ field, description }) => `${resource.placeOf(field)}: ${label}: ${field}: ${description}`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new Fault('WEIR_CONFIG', `cannot read ${file}: ${String(cause)}`, cause);
  }
}

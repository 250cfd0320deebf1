/**
 * Endpoints — what a running development cluster tells others: `endpoints.json` in its data
 * directory, with ports, certificates and process ids. Written whole at every change, removed at
 * the end. `weir pub`, `weir sub` and tests read it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Fault } from '#base';
import { writeWhole } from './data-directory.ts';
import type { ProcessState } from './managed-process.ts';
import type { ClusterPorts } from './ports.ts';

export interface Endpoints {
  readonly supervisorPid: number;
  readonly dataDirectory: string;
  /** Every process answered and the development resources are registered. */
  readonly ready: boolean;
  readonly ports: ClusterPorts;
  readonly certificates: { readonly directory: string; readonly ca: string };
  /** By name: `nats` (`nats-1` …), `control`, `dispatcher-1`, `router`, `gateway-1` …, `demo`. */
  readonly processes: Readonly<Record<string, ProcessEndpoint>>;
}

export interface ProcessEndpoint {
  readonly state: ProcessState;
  /** Absent while it does not run. */
  readonly pid?: number;
  readonly restarts: number;
}

const FILE = 'endpoints.json';
export const DEFAULT_DATA = '.weir';

export function writeEndpoints(endpoints: Endpoints): void {
  writeWhole(join(endpoints.dataDirectory, FILE), `${JSON.stringify(endpoints, null, 2)}\n`);
}

/** Undefined when no cluster runs on that directory. */
export function readEndpoints(dataDirectory: string): Endpoints | undefined {
  const path = join(resolve(dataDirectory), FILE);
  if (!existsSync(path)) return undefined;
  // Written by this very program; a damaged file is a programmer error.
  return JSON.parse(readFileSync(path, 'utf8')) as Endpoints;
}

/** Throws a Fault that says how to get one. */
export function requireEndpoints(dataDirectory: string): Endpoints {
  const endpoints = readEndpoints(dataDirectory);
  if (endpoints !== undefined) return endpoints;
  const advice = 'start one with `npm start`, name its --data, or give --host and --port';
  throw new Fault('WEIR_CONFIG', `no cluster runs on ${dataDirectory}: ${advice}`);
}

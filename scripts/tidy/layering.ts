/**
 * Layering — which room may name which, and which packages each place may use.
 *
 * This table is the architecture of design §12 in data; docs/architecture.md explains it. A room
 * that is not here may not exist. `pure` rooms get clock and randomness handed in.
 */

export interface Room {
  readonly mayImport: readonly string[];
  readonly pure: boolean;
}

const PURE_BASE = ['base'];
const CODEC = ['base', 'mqtt', 'topics'];
const STORED = [...CODEC, 'bus', 'lease', 'log'];

/** Rooms under lib/. */
export const ROOMS: Readonly<Record<string, Room>> = {
  base: { mayImport: [], pure: false },
  mqtt: { mayImport: PURE_BASE, pure: true },
  topics: { mayImport: ['base', 'mqtt'], pure: true },
  session: { mayImport: CODEC, pure: true },
  bus: { mayImport: PURE_BASE, pure: false },
  runtime: { mayImport: PURE_BASE, pure: false },
  lease: { mayImport: [...CODEC, 'bus', 'log'], pure: true },
  log: { mayImport: [...CODEC, 'bus'], pure: true },
  state: { mayImport: STORED, pure: true },
  'session-store': { mayImport: [...STORED, 'state'], pure: true },
  frames: { mayImport: [...STORED, 'state', 'session-store'], pure: true },
  interest: { mayImport: [...STORED, 'frames'], pure: true },
  reader: { mayImport: [...STORED, 'state'], pure: true },
  registry: { mayImport: [...CODEC, 'bus'], pure: false },
};

/** Directories under services/; each may import every room of lib/, none another one. */
export const SERVICES = ['gateway', 'dispatcher', 'router', 'control', 'cli'];

/** npm package, or scope, → the places (path prefixes) that may import it. Absent: nobody may. */
export const PACKAGE_PLACES: Readonly<Record<string, readonly string[]>> = {
  '@bufbuild/protobuf': ['lib/registry/', 'services/control/', 'services/cli/', 'test/'],
  '@connectrpc/connect': ['lib/registry/', 'services/control/', 'services/cli/', 'test/'],
  '@connectrpc/connect-node': ['services/control/', 'services/cli/', 'test/'],
  '@grpc/grpc-js': ['test/'],
  '@grpc/proto-loader': ['test/'],
  '@nats-io/transport-node': ['test/'],
  '@peculiar/x509': ['lib/registry/', 'services/control/', 'services/cli/', 'test/'],
  '@prometheus-io/client': ['lib/runtime/'],
  commander: ['services/cli/', 'loadtest/'],
  'fast-check': ['test/'],
  'ipaddr.js': ['lib/registry/', 'services/gateway/', 'services/router/', 'test/'],
  jose: ['lib/registry/', 'test/'],
  mqtt: ['services/cli/', 'test/', 'loadtest/'],
  'mqtt-packet': ['test/'],
  pino: ['lib/runtime/'],
  qlobber: ['test/'],
  'reflect-metadata': ['lib/registry/', 'services/control/', 'services/cli/', 'test/'],
  undici: ['services/router/', 'services/cli/', 'test/'],
  ws: ['services/gateway/', 'test/'],
  yaml: ['services/cli/', 'services/control/', 'test/'],
};

/** Node's modules that a pure room may use: no sockets, files, timers or processes. */
export const PURE_NODE_MODULES = new Set(['node:assert', 'node:assert/strict', 'node:buffer']);

/** The room of lib/ that a path belongs to, or undefined. */
export function roomOf(path: string): string | undefined {
  return /^lib\/([^/]+)\//.exec(path)?.[1];
}

/** The service that a path belongs to, or undefined. */
export function serviceOf(path: string): string | undefined {
  return /^services\/([^/]+)\//.exec(path)?.[1];
}

export function isPure(path: string): boolean {
  const room = roomOf(path);
  return room !== undefined && ROOMS[room]?.pure === true;
}

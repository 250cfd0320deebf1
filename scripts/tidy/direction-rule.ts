/**
 * Direction rule — imports go down the layers, through doors, and packages stay in their places.
 *
 * Catches: a room that names a higher or unknown one; a private file of another room; a service
 * that imports a service; product code that imports tests or scripts; a package outside its place
 * (so an oracle of the tests in the product); sockets, files and timers in pure rooms.
 */
import { type Import, importsOf, resolveRelative } from './imports.ts';
import {
  isPure,
  PACKAGE_PLACES,
  PURE_NODE_MODULES,
  roomOf,
  ROOMS,
  serviceOf,
  SERVICES,
} from './layering.ts';
import type { Finding, Tree } from './tree.ts';

/** Scripts that the command line shares with npm start; the rest of scripts/ is for the clone. */
const SHARED_SCRIPTS = 'scripts/setup/';

export function checkDirections(tree: Tree): Finding[] {
  const findings = checkPlaces(tree);
  for (const path of tree.sourcePaths) {
    for (const found of importsOf(tree, path)) {
      const says = judge(tree, path, found);
      if (says !== undefined) findings.push({ path, line: found.line, says });
    }
  }
  return findings;
}

/** Rooms and services that no table knows, and rooms without a door. */
function checkPlaces(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const rooms = new Set(tree.sourcePaths.map(roomOf).filter((room) => room !== undefined));
  for (const room of rooms) {
    const path = `lib/${room}/mod.ts`;
    if (ROOMS[room] === undefined) {
      findings.push({ path, line: 0, says: `room ${room} is not in scripts/tidy/layering.ts` });
    } else if (!tree.has(path)) findings.push({ path, line: 0, says: 'the room has no door' });
  }
  for (const service of new Set(tree.sourcePaths.map(serviceOf))) {
    if (service === undefined || SERVICES.includes(service)) continue;
    const path = `services/${service}`;
    findings.push({ path, line: 0, says: `service ${service} is not in scripts/tidy/layering.ts` });
  }
  return findings;
}

function judge(tree: Tree, path: string, { specifier }: Import): string | undefined {
  if (specifier.startsWith('#')) return judgeDoor(path, specifier.slice(1));
  if (specifier.startsWith('.')) return judgeFile(tree, path, resolveRelative(path, specifier));
  if (specifier.startsWith('node:')) {
    if (!isPure(path) || PURE_NODE_MODULES.has(specifier)) return undefined;
    return `a pure room must not import ${specifier}`;
  }
  if (specifier.startsWith('/')) return 'an absolute path names one machine';
  return judgePackage(path, specifier);
}

function judgeDoor(path: string, room: string): string | undefined {
  if (ROOMS[room] === undefined) return `#${room} is no room`;
  const own = roomOf(path);
  if (own === undefined) return undefined;
  if (own === room) return `inside room ${room} import its files, not its door`;
  if (ROOMS[own]?.mayImport.includes(room) === true) return undefined;
  return `room ${own} must not import room ${room}`;
}

function judgeFile(tree: Tree, path: string, target: string): string | undefined {
  const isProduct = /^(lib|services)\//.test(path);
  if (!isProduct) return undefined;
  const [ownRoom, ownService] = [roomOf(path), serviceOf(path)];
  const [room, service] = [roomOf(target), serviceOf(target)];
  if (room !== undefined) {
    return room === ownRoom ? undefined : `${target} is private to its room: import #${room}`;
  }
  if (service !== undefined) {
    return service === ownService ? undefined : `${path} must not import service ${service}`;
  }
  if (target.startsWith(SHARED_SCRIPTS) && ownService === 'cli') return undefined;
  // Generated clients of proto/ stand in a room; anything else outside lib and services is tooling.
  return tree.has(target) ? `product code must not import ${target}` : undefined;
}

function judgePackage(path: string, specifier: string): string | undefined {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const places = PACKAGE_PLACES[name] ?? PACKAGE_PLACES[name.replace(/\/.*/, '/*')];
  if (places === undefined) return `package ${name} has no place in scripts/tidy/layering.ts`;
  if (places.some((place) => path.startsWith(place))) return undefined;
  return `package ${name} may be imported only in ${places.join(', ')}`;
}

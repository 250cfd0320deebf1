/**
 * Resource files — YAML with one resource per document.
 *
 * Form: `kind` and `name`, then the fields of the resource as the API has them; or all of those
 *       below `spec`. Kinds in the singular: Client, TopicSpace …
 * Faults: each with file, line and, where it is one field, the field.
 */
import { isNode, LineCounter, parseAllDocuments } from 'yaml';
import type { Document } from 'yaml';
import { isJsonObject } from '#registry';
import type { ResourceKind } from '#registry';

export const KIND_NAMES: Readonly<Record<string, ResourceKind>> = {
  NamespaceSettings: 'namespaceSettings',
  CaCertificate: 'caCertificates',
  RevocationList: 'revocationLists',
  JwtIssuer: 'jwtIssuers',
  Client: 'clients',
  ClientGroup: 'clientGroups',
  TopicSpace: 'topicSpaces',
  PermissionBinding: 'permissionBindings',
  EventSubscription: 'eventSubscriptions',
};

export interface DeclaredResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly spec: Record<string, unknown>;
  /** `file:line` of the field, or of the nearest thing around it that stands in the file. */
  placeOf(field: string): string;
}

export interface ReadFile {
  readonly resources: readonly DeclaredResource[];
  /** Lines to show: `file:line: what is wrong`. */
  readonly faults: readonly string[];
}

export function readResourceFile(file: string, text: string): ReadFile {
  const resources: DeclaredResource[] = [];
  const faults: string[] = [];
  const lines = new LineCounter();
  // Numbers and dates of YAML would be JSON's otherwise: `core` knows text, numbers and flags only.
  for (const document of parseAllDocuments(text, { lineCounter: lines, schema: 'core' })) {
    const [error] = document.errors;
    if (error !== undefined) {
      const line = error.linePos?.[0].line ?? 1;
      faults.push(`${file}:${line}: ${error.message.split('\n')[0]}`);
      continue;
    }
    const value: unknown = document.toJS();
    if (value === null) continue;
    const place = (path: readonly (string | number)[]): string =>
      `${file}:${lineOf(document, lines, path)}`;
    const read = readResource(value, place);
    if (typeof read === 'string') faults.push(read);
    else resources.push(read);
  }
  return { resources, faults };
}

type Place = (path: readonly (string | number)[]) => string;

function readResource(value: unknown, place: Place): DeclaredResource | string {
  if (!isJsonObject(value)) return `${place([])}: must be an object with kind and name`;
  const { kind: kindName, name, spec, ...fields } = value;
  const kind = Object.hasOwn(KIND_NAMES, String(kindName))
    ? KIND_NAMES[String(kindName)]
    : undefined;
  if (kind === undefined) {
    return `${place(['kind'])}: kind: must be one of ${Object.keys(KIND_NAMES).join(', ')}`;
  }
  if (typeof name !== 'string') return `${place(['name'])}: name: must be a text`;
  const [extra] = Object.keys(fields);
  if (spec !== undefined && extra !== undefined) {
    return `${place([extra])}: ${extra}: must stand below spec, as the other fields do`;
  }
  if (spec !== undefined && !isJsonObject(spec))
    return `${place(['spec'])}: spec: must be an object`;
  const below = spec === undefined ? [] : ['spec'];
  return {
    kind,
    name,
    spec: { ...(spec ?? fields) },
    placeOf: (field) => place(field === 'name' ? ['name'] : [...below, ...pathOf(field)]),
  };
}

/** `a.b[1].c` → a, b, 1, c. */
function pathOf(field: string): (string | number)[] {
  return field
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

function lineOf(
  document: Document,
  lines: LineCounter,
  path: readonly (string | number)[],
): number {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown =
      length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

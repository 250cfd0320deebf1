/**
 * Registry image — every resource in memory, as of one position of the registry's stream.
 *
 * Owner: one per process, fed message by message in stream order.
 * Cost:  one JSON parse per record; ~1 KB of heap per client, so 1 M clients need ~1 GB.
 * Ends:  a record that cannot be read counts as absent and is counted: it must not stop the rest.
 */
import type { StreamMessage } from '#bus';
import { foldName } from './certificate-names.ts';
import { resourceOfSubject } from './names.ts';
import { decodeResource } from './record.ts';
import type { Resource, ResourceKind } from './resources.ts';

/** A resource was created, changed or deleted. */
export interface RegistryChange {
  readonly kind: ResourceKind;
  readonly name: string;
}

type Tables = { readonly [Kind in ResourceKind]: Map<string, Resource<Kind>> };

export class RegistryImage {
  /** Everything up to this stream sequence is in the image. */
  position = 0;
  unreadableRecords = 0;
  readonly #tables: Tables = {
    namespaceSettings: new Map(),
    caCertificates: new Map(),
    revocationLists: new Map(),
    jwtIssuers: new Map(),
    jwtKeySets: new Map(),
    clients: new Map(),
    clientGroups: new Map(),
    topicSpaces: new Map(),
    permissionBindings: new Map(),
    eventSubscriptions: new Map(),
  };
  readonly #clientsByAuthenticationName = new Map<string, Resource<'clients'>>();
  readonly #ordered = new Map<ResourceKind, readonly string[]>();

  /** Messages at or before `position` change nothing. */
  apply(message: StreamMessage): RegistryChange | undefined {
    if (message.sequence <= this.position) return undefined;
    this.position = message.sequence;
    const key = resourceOfSubject(message.subject);
    if (key === undefined) return undefined;
    const resource = message.deleted ? undefined : decodeResource(key.kind, key.name, message);
    if (resource === undefined && !message.deleted) this.unreadableRecords++;
    this.#put(key.kind, key.name, resource);
    return key;
  }

  get<Kind extends ResourceKind>(kind: Kind, name: string): Resource<Kind> | undefined {
    return this.#tables[kind].get(name);
  }

  count(kind: ResourceKind): number {
    return this.#tables[kind].size;
  }

  all<Kind extends ResourceKind>(kind: Kind): Iterable<Resource<Kind>> {
    return this.#tables[kind].values();
  }

  /** Names in code unit order; sorted again only after a change of that kind. */
  names(kind: ResourceKind): readonly string[] {
    let names = this.#ordered.get(kind);
    if (names === undefined) {
      names = [...this.#tables[kind].keys()].sort();
      this.#ordered.set(kind, names);
    }
    return names;
  }

  clientByAuthenticationName(authenticationName: string): Resource<'clients'> | undefined {
    return this.#clientsByAuthenticationName.get(foldName(authenticationName));
  }

  #put<Kind extends ResourceKind>(
    kind: Kind,
    name: string,
    resource: Resource<Kind> | undefined,
  ): void {
    const table: Map<string, Resource<Kind>> = this.#tables[kind];
    const before = table.get(name);
    if (resource === undefined) table.delete(name);
    else table.set(name, resource);
    if ((before === undefined) !== (resource === undefined)) this.#ordered.delete(kind);
    if (kind === 'clients') this.#index(before, resource);
  }

  #index(before: Resource | undefined, after: Resource | undefined): void {
    const index = this.#clientsByAuthenticationName;
    if (isClient(before)) {
      const key = foldName(before.spec.authenticationName);
      if (index.get(key) === before) index.delete(key);
    }
    if (isClient(after)) index.set(foldName(after.spec.authenticationName), after);
  }
}

function isClient(resource: Resource | undefined): resource is Resource<'clients'> {
  return resource?.kind === 'clients';
}

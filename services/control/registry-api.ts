/**
 * Registry API — what each method does, from JSON to JSON. gRPC and HTTP are two ways to it.
 * Methods about sessions are passed on to the session API.
 *
 * JSON here is the protobuf JSON form of the method's messages. Faults are thrown as ApiFault.
 */
import type { RegistryStore, Resource, ResourceKind } from '#registry';
import { checkAccess } from './access-check.ts';
import { ApiFault, apiFaultOf } from './api-fault.ts';
import { methodsOf } from './collections.ts';
import type { Action, Collection } from './collections.ts';
import { pageToken, readPageSize, readPageToken } from './paging.ts';
import { resourceFromJson, resourceToJson, textField } from './resource-json.ts';
import type { JsonRecord } from './resource-json.ts';
import type { SessionApi } from './session-api.ts';

export interface RegistryApiOptions {
  /** Undefined as long as NATS has not been reached. */
  readonly store: () => RegistryStore | undefined;
  readonly sessions: () => SessionApi | undefined;
  readonly onUnexpected: (cause: unknown) => void;
}

export class RegistryApi {
  readonly #options: RegistryApiOptions;
  /** `action kind outcome` → how often. Keys come from closed lists. */
  readonly outcomes = new Map<string, number>();

  constructor(options: RegistryApiOptions) {
    this.#options = options;
  }

  /** Throws ApiFault. */
  async call(collection: Collection, action: Action, request: JsonRecord): Promise<JsonRecord> {
    try {
      const response = await this.#call(collection, action, request);
      this.#count(action, collection.kind, 'ok');
      return response;
    } catch (cause) {
      const fault = apiFaultOf(cause);
      if (fault.code === 'internal') this.#options.onUnexpected(cause);
      this.#count(action, collection.kind, fault.code);
      throw fault;
    }
  }

  async #call(
    { kind, one, service }: Collection,
    action: Action,
    request: JsonRecord,
  ): Promise<JsonRecord> {
    if (kind === 'sessions') return reached(this.#options.sessions()).call(action, request);
    const store = reached(this.#options.store());
    if (kind === 'accessChecks') return checkAccess(store, one, request[one]);
    switch (action) {
      case 'create':
      case 'update': {
        const { name, etag, spec } = resourceFromJson(one, request[one]);
        return found(kind, name, await store.write({ kind, name, action, spec, etag }));
      }
      case 'get': {
        const name = textField('name', request['name']);
        return found(kind, name, store.get(kind, name));
      }
      case 'delete': {
        const name = textField('name', request['name']);
        await store.write({ kind, name, action, etag: textField('etag', request['etag']) });
        return {};
      }
      case 'list': {
        const afterName = readPageToken(textField('pageToken', request['pageToken']));
        const page = store.list(kind, afterName, readPageSize(request['pageSize']));
        const listField = listFieldOf(service);
        const nextPageToken = page.lastName === undefined ? '' : pageToken(page.lastName);
        return { [listField]: page.resources.map(resourceToJson), nextPageToken };
      }
      case 'disconnect':
        throw new ApiFault('method_not_allowed', `${kind} are not connected`);
    }
  }

  #count(action: Action, kind: Collection['kind'], outcome: string): void {
    const key = `${action} ${kind} ${outcome}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
  }
}

function reached<Part>(part: Part | undefined): Part {
  if (part !== undefined) return part;
  throw new ApiFault('unavailable', 'NATS has not been reached yet');
}

function found(kind: ResourceKind, name: string, resource: Resource | undefined): JsonRecord {
  if (resource !== undefined) return resourceToJson(resource);
  throw new ApiFault('not_found', `${kind}/${name} does not exist`);
}

function listFieldOf(service: Collection['service']): string {
  const list = methodsOf(service).find(([action]) => action === 'list')?.[1];
  return list?.output.fields.find((field) => field.fieldKind === 'list')?.jsonName ?? 'resources';
}

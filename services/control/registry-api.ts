/**
 * Registry API — what each method does, from JSON to JSON. gRPC and HTTP are two ways to it.
 *
 * JSON here is the protobuf JSON form of the method's messages. Faults are thrown as ApiFault.
 */
import type { RegistryStore, Resource, ResourceKind } from '#registry';
import { checkAccess } from './access-check.ts';
import { ApiFault, apiFaultOf, fieldFault } from './api-fault.ts';
import { methodsOf } from './collections.ts';
import type { Action, Collection } from './collections.ts';
import { resourceFromJson, resourceToJson, textField } from './resource-json.ts';
import type { JsonRecord } from './resource-json.ts';

/** Resources on one page: what a client gets unasked, and at most. */
export const PAGE_SIZE = { default: 100, max: 1_000 } as const;

export interface RegistryApiOptions {
  /** Undefined as long as NATS has not been reached. */
  readonly store: () => RegistryStore | undefined;
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
    const store = this.#options.store();
    if (store === undefined) throw new ApiFault('unavailable', 'NATS has not been reached yet');
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
    }
  }

  #count(action: Action, kind: Collection['kind'], outcome: string): void {
    const key = `${action} ${kind} ${outcome}`;
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
  }
}

function found(kind: ResourceKind, name: string, resource: Resource | undefined): JsonRecord {
  if (resource !== undefined) return resourceToJson(resource);
  throw new ApiFault('not_found', `${kind}/${name} does not exist`);
}

function listFieldOf(service: Collection['service']): string {
  const list = methodsOf(service).find(([action]) => action === 'list')?.[1];
  return list?.output.fields.find((field) => field.fieldKind === 'list')?.jsonName ?? 'resources';
}

function readPageSize(value: unknown): number {
  if (value === undefined || value === null) return PAGE_SIZE.default;
  const size = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof size === 'number' && Number.isInteger(size) && size >= 0) {
    return size === 0 ? PAGE_SIZE.default : Math.min(size, PAGE_SIZE.max);
  }
  throw fieldFault('pageSize', `must be a whole number from 0 to ${PAGE_SIZE.max}`);
}

/** The name after which the page begins; opaque to clients, so that it may change. */
function pageToken(lastName: string): string {
  return Buffer.from(`after:${lastName}`, 'utf8').toString('base64url');
}

function readPageToken(token: string): string {
  if (token === '') return '';
  const text = Buffer.from(token, 'base64url').toString('utf8');
  if (text.startsWith('after:')) return text.slice('after:'.length);
  throw fieldFault('pageToken', 'must come from nextPageToken of a page before');
}

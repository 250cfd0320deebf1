/**
 * Control client — the registry's API over JSON/HTTP, for the command line and `weir dev`.
 *
 * Waits: ANSWER_MS for each answer. Faults: an API that cannot be reached is a Fault; what the API
 *        refuses is a ControlRefusal with the fields that it names.
 */
import { Fault } from '#base';
import { isJsonObject } from '#registry';
import type {
  AccessExplanation,
  AccessOperation,
  FieldViolation,
  ResourceKind,
  SpecOf,
} from '#registry';

/** Control tries a write for 10 s. */
const ANSWER_MS = 15_000;
/** Tries of `apply` when somebody else creates or deletes the same resource meanwhile. */
const APPLY_TRIES = 3;
const PAGE_SIZE = 500;

export const DEFAULT_API_URL = 'http://127.0.0.1:8080';

/** Fields of a resource that a caller sets; what is left out takes its default. */
export type SpecInput<Kind extends ResourceKind> = Partial<SpecOf[Kind]>;

/** A resource as the API shows it. */
export type ApiResource<Kind extends ResourceKind> = SpecOf[Kind] & {
  readonly name: string;
  readonly etag: string;
  readonly createTime: string;
  readonly updateTime: string;
};

export interface AccessCheck extends AccessExplanation {
  readonly clientName: string;
  readonly operation: AccessOperation;
  readonly topic: string;
}

export type Applied = 'created' | 'updated' | 'unchanged';

/** The API's answer to a request that it does not do. */
export class ControlRefusal extends Error {
  readonly httpStatus: number;
  /** `INVALID_ARGUMENT`, `NOT_FOUND` … */
  readonly status: string;
  readonly violations: readonly FieldViolation[];

  constructor(httpStatus: number, status: string, message: string, violations: FieldViolation[]) {
    super(message);
    this.name = 'ControlRefusal';
    this.httpStatus = httpStatus;
    this.status = status;
    this.violations = violations;
  }
}

export class ControlClient {
  readonly #base: string;

  constructor(apiUrl: string = DEFAULT_API_URL) {
    if (!URL.canParse(apiUrl)) throw new Fault('WEIR_CONFIG', `${apiUrl} is no URL of an API`);
    this.#base = `${apiUrl.replace(/\/+$/, '')}/v1/namespaces/default`;
  }

  /** Undefined: there is none of this name. */
  async get<Kind extends ResourceKind>(
    kind: Kind,
    name: string,
  ): Promise<ApiResource<Kind> | undefined> {
    return absentAsUndefined(this.#resource<Kind>('GET', itemPath(kind, name)));
  }

  /** All resources of a kind, page by page, in the order of names. */
  async *list<Kind extends ResourceKind>(kind: Kind): AsyncGenerator<ApiResource<Kind>> {
    for (let pageToken = ''; ;) {
      const query = new URLSearchParams({ pageSize: String(PAGE_SIZE), pageToken });
      const page = await this.call('GET', `/${kind}?${query.toString()}`);
      const resources = page[kind];
      if (Array.isArray(resources)) yield* resources as ApiResource<Kind>[];
      pageToken = textOf(page['nextPageToken']);
      if (pageToken === '') return;
    }
  }

  create<Kind extends ResourceKind>(
    kind: Kind,
    name: string,
    spec: SpecInput<Kind>,
  ): Promise<ApiResource<Kind>> {
    return this.#resource('POST', `/${kind}`, { ...spec, name });
  }

  /** Replaces the spec; `etag` empty: whatever stands. */
  update<Kind extends ResourceKind>(
    kind: Kind,
    name: string,
    spec: SpecInput<Kind>,
    etag = '',
  ): Promise<ApiResource<Kind>> {
    return this.#resource('PUT', itemPath(kind, name), { ...spec, name, etag });
  }

  /** False: there was none. */
  async delete(kind: ResourceKind, name: string): Promise<boolean> {
    const answer = await absentAsUndefined(this.call('DELETE', itemPath(kind, name)));
    return answer !== undefined;
  }

  /** Whether a client would be allowed, and why. */
  async checkAccess(
    clientName: string,
    operation: AccessOperation,
    topic: string,
  ): Promise<AccessCheck> {
    const check = await this.call('POST', '/accessChecks', { clientName, operation, topic });
    return check as unknown as AccessCheck;
  }

  /** Creates or replaces. */
  async apply<Kind extends ResourceKind>(
    kind: Kind,
    name: string,
    spec: SpecInput<Kind>,
  ): Promise<Applied> {
    for (let attempt = 1; ; attempt++) {
      try {
        const before = await this.get(kind, name);
        if (before === undefined) {
          await this.create(kind, name, spec);
          return 'created';
        }
        const after = await this.update(kind, name, spec);
        return after.etag === before.etag ? 'unchanged' : 'updated';
      } catch (cause) {
        if (attempt >= APPLY_TRIES || !isRace(cause)) throw cause;
      }
    }
  }

  async #resource<Kind extends ResourceKind>(
    method: string,
    path: string,
    body?: object,
  ): Promise<ApiResource<Kind>> {
    // Control answers with the whole resource; its shape is that of proto/weir/v1.
    return (await this.call(method, path, body)) as unknown as ApiResource<Kind>;
  }

  /** Any other method: a path below the namespace. Throws ControlRefusal. */
  async call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const response = await this.#fetch(method, path, body);
    const text = await response.text();
    const json = parseObject(text);
    if (response.ok && json !== undefined) return json;
    throw refusalOf(response.status, json, text);
  }

  async #fetch(method: string, path: string, body?: object): Promise<Response> {
    try {
      return await fetch(this.#base + path, {
        method,
        signal: AbortSignal.timeout(ANSWER_MS),
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
    } catch (cause) {
      const why = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
      const says = why instanceof Error ? why.message : String(why);
      throw new Fault('WEIR_API_UNREACHABLE', `the API at ${this.#base} does not answer: ${says}`);
    }
  }
}

function itemPath(kind: ResourceKind, name: string): string {
  return `/${kind}/${encodeURIComponent(name)}`;
}

async function absentAsUndefined<Value>(answer: Promise<Value>): Promise<Value | undefined> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof ControlRefusal && cause.httpStatus === 404) return undefined;
    throw cause;
  }
}

function isRace(cause: unknown): boolean {
  if (!(cause instanceof ControlRefusal)) return false;
  return cause.status === 'ALREADY_EXISTS' || cause.status === 'NOT_FOUND';
}

function refusalOf(
  httpStatus: number,
  json: Record<string, unknown> | undefined,
  text: string,
): ControlRefusal {
  const error = isJsonObject(json?.['error']) ? json['error'] : {};
  const details = Array.isArray(error['details']) ? error['details'].filter(isJsonObject) : [];
  const violations = details.flatMap((detail): FieldViolation[] => {
    const list: unknown = detail['fieldViolations'];
    if (!Array.isArray(list)) return [];
    return list.filter(isJsonObject).map((one) => ({
      field: textOf(one['field']),
      description: textOf(one['description']),
    }));
  });
  const message = textOf(error['message']) || `HTTP ${httpStatus}: ${text.slice(0, 200)}`;
  const status = textOf(error['status']) || 'UNKNOWN';
  return new ControlRefusal(httpStatus, status, message, violations);
}

/** Empty for what is no text. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

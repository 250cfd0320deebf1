/**
 * Transcoder — serves the `google.api.http` paths as JSON over HTTP.
 *
 * In:   path fields, query parameters and the body make the JSON of the request message. A body is
 *       `application/json` of at most BODY_BYTES_MAX; any other type is refused, so that a web page
 *       cannot send one without asking first.
 * Out:  the JSON of the response message with all its fields, or the error form of `api-fault.ts`.
 */
import { fromJson, toJson } from '@bufbuild/protobuf';
import type { DescMethodUnary, JsonObject } from '@bufbuild/protobuf';
import { isJsonObject } from '#registry';
import type { AnswerSink, AnyRequest } from './any-request.ts';
import { ApiFault, apiFaultOf, fieldFault, jsonErrorOf } from './api-fault.ts';
import { SERVED, methodsOf } from './collections.ts';
import type { Action, Collection } from './collections.ts';
import { httpPatternOf, matchPath } from './http-rule.ts';
import type { HttpPattern } from './http-rule.ts';
import { readBody } from './request-body.ts';
import type { RegistryApi } from './registry-api.ts';
import type { JsonRecord } from './resource-json.ts';

interface Route {
  readonly collection: Collection;
  readonly action: Action;
  readonly method: DescMethodUnary;
  readonly pattern: HttpPattern;
}

const PREFIX = '/v1/';

export class Transcoder {
  readonly #api: RegistryApi;
  readonly #routes: readonly Route[];

  constructor(api: RegistryApi) {
    this.#api = api;
    this.#routes = SERVED.flatMap((collection) =>
      methodsOf(collection.service).flatMap(([action, method]) => {
        const pattern = httpPatternOf(method);
        return pattern === undefined ? [] : [{ collection, action, method, pattern }];
      }),
    );
  }

  /** False: the path is none of the API's. */
  take(request: AnyRequest, response: AnswerSink): boolean {
    if (!(request.url ?? '').startsWith(PREFIX)) return false;
    void this.#serve(request, response);
    return true;
  }

  async #serve(request: AnyRequest, response: AnswerSink): Promise<void> {
    try {
      answerJson(response, 200, await this.#answerTo(request));
    } catch (cause) {
      const { http, body } = jsonErrorOf(apiFaultOf(cause));
      // What is left of a body that nobody reads must not be taken for the next request.
      if (!request.complete && request.httpVersionMajor < 2)
        response.setHeader('connection', 'close');
      answerJson(response, http, body);
    }
  }

  async #answerTo(request: AnyRequest): Promise<object> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const path = decodePath(url.pathname);
    const matches = this.#routes.flatMap((route) => {
      const values = matchPath(route.pattern, path);
      return values === undefined ? [] : [{ route, values }];
    });
    if (matches.length === 0) throw new ApiFault('not_found', `no such path: ${url.pathname}`);
    const match = matches.find(({ route }) => route.pattern.verb === request.method);
    if (match === undefined) {
      const verbs = matches.map(({ route }) => route.pattern.verb).join(', ');
      throw new ApiFault('method_not_allowed', `this path takes ${verbs}`);
    }
    const { collection, action, method, pattern } = match.route;
    const message = readQuery(url.searchParams, match.route);
    if (pattern.body !== '') message[pattern.body] = await readBody(request);
    for (const [field, value] of match.values) putPathField(message, field, value);
    const json = await this.#api.call(collection, action, message);
    return toJson(method.output, fromJson(method.output, json as JsonObject), {
      alwaysEmitImplicit: true,
    }) as object;
  }
}

function decodePath(pathname: string): string[] {
  try {
    return pathname.split('/').slice(1).map(decodeURIComponent);
  } catch {
    throw new ApiFault('invalid', 'the path is not well percent-encoded');
  }
}

/** Query parameters are scalar fields of the request that are not its body. */
function readQuery(parameters: URLSearchParams, { method, pattern }: Route): JsonRecord {
  const message: JsonRecord = {};
  for (const [name, value] of parameters) {
    const field = method.input.fields.find(
      (one) => one.fieldKind === 'scalar' && one.jsonName === name && name !== pattern.body,
    );
    if (field === undefined) throw fieldFault(name, 'is not a parameter here');
    message[name] = value;
  }
  return message;
}

/** A body may repeat what the path says, but not contradict it. */
function putPathField(message: JsonRecord, field: readonly string[], value: string): void {
  let holder = message;
  for (const name of field.slice(0, -1)) {
    const inner = holder[name];
    if (!isJsonObject(inner)) throw fieldFault(name, 'must be an object');
    const copy = { ...inner };
    holder[name] = copy;
    holder = copy;
  }
  const last = field.at(-1) ?? '';
  const given = holder[last] ?? '';
  if (given !== '' && given !== value) throw fieldFault(last, `is "${value}" in the path`);
  holder[last] = value;
}

export function answerJson(response: AnswerSink, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(text);
}

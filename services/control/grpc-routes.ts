/**
 * gRPC, gRPC-Web and Connect — every method of every collection as a route.
 */
import { create, fromJson, toJson } from '@bufbuild/protobuf';
import type { DescMethodUnary, JsonObject, Message } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { apiFaultOf, connectErrorOf } from './api-fault.ts';
import { SERVED, methodsOf } from './collections.ts';
import type { Action, Collection } from './collections.ts';
import type { RegistryApi } from './registry-api.ts';
import type { JsonRecord } from './resource-json.ts';

export function addGrpcRoutes(router: ConnectRouter, api: RegistryApi): void {
  for (const collection of SERVED) {
    for (const [action, method] of methodsOf(collection.service)) {
      router.rpc(method, (request) => answer(api, collection, action, method, request));
    }
  }
}

async function answer(
  api: RegistryApi,
  collection: Collection,
  action: Action,
  method: DescMethodUnary,
  request: Message,
): Promise<Message> {
  try {
    const json = toJson(method.input, create(method.input, request)) as JsonRecord;
    const response = await api.call(collection, action, json);
    return fromJson(method.output, response as JsonObject);
  } catch (cause) {
    throw connectErrorOf(apiFaultOf(cause));
  }
}

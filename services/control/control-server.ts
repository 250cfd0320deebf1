/**
 * Control server — one port: gRPC, gRPC-Web and Connect, JSON over HTTP, health and metrics.
 */
import { IncomingMessage, ServerResponse } from 'node:http';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { healthPaths } from '#runtime';
import type { Health, Metrics } from '#runtime';
import type { AnyRequest, AnyResponse } from './any-request.ts';
import { jsonErrorOf } from './api-fault.ts';
import { addGrpcRoutes } from './grpc-routes.ts';
import { openOnePort } from './one-port-server.ts';
import type { OnePortServer } from './one-port-server.ts';
import type { RegistryApi } from './registry-api.ts';
import { BODY_BYTES_MAX } from './request-body.ts';
import { forbids } from './request-guard.ts';
import { answerJson, Transcoder } from './transcoder.ts';

export interface ControlServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly api: RegistryApi;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** Rejects with Fault WEIR_PORT_IN_USE when the port is taken. */
export function openControlServer(options: ControlServerOptions): Promise<OnePortServer> {
  const { host, port, api, metrics, health } = options;
  const takeHealth = healthPaths(metrics, health);
  const transcoder = new Transcoder(api);
  const grpc = connectNodeAdapter({
    routes: (router) => addGrpcRoutes(router, api),
    readMaxBytes: BODY_BYTES_MAX,
  });
  const onRequest = (request: AnyRequest, response: AnyResponse): void => {
    const isPlain = request instanceof IncomingMessage && response instanceof ServerResponse;
    if (isPlain && takeHealth(request, response)) return;
    const forbidden = forbids(request);
    if (forbidden !== undefined) {
      const { http, body } = jsonErrorOf(forbidden);
      answerJson(response, http, body);
    } else if (!transcoder.take(request, response)) grpc(request, response);
  };
  return openOnePort({ host, port, onRequest });
}

/**
 * Request guard — who may speak to the API while it knows no users: programs of this machine.
 *
 * A web page that a browser of this machine shows is not one of them: its requests carry an Origin
 * that is not ours, or, when its name was pointed at loopback, a Host that is not loopback.
 */
import type { AnyRequest } from './any-request.ts';
import { ApiFault } from './api-fault.ts';
import { isLoopback } from './config.ts';

/** What forbids the request; undefined = nothing. */
export function forbids(request: AnyRequest): ApiFault | undefined {
  const { host, origin, ':authority': authority } = request.headers;
  const named = typeof authority === 'string' ? authority : (host ?? '');
  if (!isLoopback(hostOf(named))) {
    return new ApiFault('forbidden', 'the API answers on loopback names only, such as localhost');
  }
  if (origin === undefined || origin === `http://${named}`) return undefined;
  return new ApiFault('forbidden', 'requests of other web pages are not answered');
}

function hostOf(authority: string): string {
  return URL.canParse(`http://${authority}`) ? new URL(`http://${authority}`).hostname : '';
}

/**
 * Listener plan — one port: where it is, what is spoken there, and who may come.
 */
import type { AddressRanges } from './address-ranges.ts';
import type { TlsOffer } from './tls-context.ts';
import type { WebSocketRules } from './websocket-upgrade.ts';

export interface ListenerPlan {
  /** In logs: `mqtts`, `mqtt`, `wss`, `ws`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Asked for each handshake; undefined = no TLS, and every client is anonymous. */
  readonly tlsOffer?: (() => TlsOffer) | undefined;
  /** `both`: told apart by ALPN, without it by the first byte. */
  readonly speaks: 'mqtt' | 'websocket' | 'both';
  readonly webSocket: WebSocketRules;
  /** Open sockets of this listener. */
  readonly connectionCountMax?: number | undefined;
  /** Addresses of clients; undefined = all. */
  readonly allowedFrom?: AddressRanges | undefined;
  /** Set: each connection begins with a PROXY header, and comes from one of these. */
  readonly proxiesFrom?: AddressRanges | undefined;
}

export const WEBSOCKET_PATH = '/mqtt';
/** The path that clients know, and every origin. */
export const OPEN_WEBSOCKET: WebSocketRules = {
  path: WEBSOCKET_PATH,
  isOriginAllowed: () => true,
};

/** What the server offers by ALPN, what it likes best first. */
export function protocolsOf({ speaks }: ListenerPlan): string[] {
  if (speaks === 'both') return ['mqtt', 'http/1.1'];
  return [speaks === 'mqtt' ? 'mqtt' : 'http/1.1'];
}

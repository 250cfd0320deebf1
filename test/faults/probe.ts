/**
 * Probe — which roles this broker takes: asked as a client would ask, at the start of a run.
 */
import type { IConnackPacket } from 'mqtt-packet';
import type { WillFields } from '../fixtures/mqtt-client-encoder.ts';
import { MqttConnection } from './mqtt-connection.ts';
import type { ConnectionOptions } from './mqtt-connection.ts';
import type { RoleName } from './role.ts';

/** Roles that are off, each with what the broker said. */
export async function probe(port: number, run: string): Promise<Map<RoleName, string>> {
  const off = new Map<RoleName, string>();
  const connack = await ask(port, `${run}-ask`, {});
  if (typeof connack === 'string') throw new Error(`no connection for the probe: ${connack}`);
  const { maximumQoS, sharedSubscriptionAvailable, retainAvailable } = connack.properties ?? {};
  if (maximumQoS !== undefined && maximumQoS < 2) off.set('qos2', `Maximum QoS ${maximumQoS}`);
  if (retainAvailable === false) off.set('retained', 'Retain Available 0');
  if (!(await isSessionKept(port, `${run}-keep`))) {
    off.set('stored', 'the session of a first connection is not present at the second one');
    off.set('shared', 'needs stored sessions');
  }
  if (sharedSubscriptionAvailable === false) off.set('shared', 'Shared Subscription Available 0');
  const will = { topic: `${run}/probe`, payload: Buffer.from('will'), qos: 1 };
  const willed = await ask(port, `${run}-will`, { will });
  if (typeof willed === 'string') off.set('wills', willed);
  return off;
}

/** In both versions. */
async function isSessionKept(port: number, name: string): Promise<boolean> {
  for (const version of [5, 4] as const) {
    const clientIdentifier = `${name}${version}`;
    const stored = { expirySeconds: 60, version };
    await ask(port, clientIdentifier, stored);
    const second = await ask(port, clientIdentifier, stored);
    await ask(port, clientIdentifier, { version });
    if (typeof second === 'string' || !second.sessionPresent) return false;
  }
  return true;
}

/** CONNACK, or why there is none; the connection ends at once. */
async function ask(
  port: number,
  clientIdentifier: string,
  more: Partial<ConnectionOptions> & { readonly will?: WillFields },
): Promise<IConnackPacket | string> {
  const events = {
    onOpen: () => undefined,
    onPublish: () => undefined,
    onAck: () => undefined,
    onEnd: () => undefined,
  };
  try {
    const own = { port, version: 5, clientIdentifier, expirySeconds: 0, events } as const;
    const connection = await MqttConnection.open({ ...own, ...more });
    connection.disconnect();
    return connection.connack;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

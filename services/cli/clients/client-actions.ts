/**
 * What `weir clients` does with single clients: shows, makes, enables and disables them.
 */
import { Fault } from '#base';
import type { ClientSpec, ClientState } from '#registry';
import { ControlRefusal } from '../registry/control-client.ts';
import type { ApiResource, ControlClient, SpecInput } from '../registry/control-client.ts';
import { formatted, tableLines } from '../registry/output.ts';
import type { ListFormat } from '../registry/output.ts';

/** Tries when somebody else changes the same client meanwhile. */
const CHANGE_TRIES = 3;

export interface CreateOptions {
  readonly authenticationName?: string;
  readonly scheme?: string;
  readonly thumbprint?: readonly string[];
  readonly description?: string;
  readonly attribute?: readonly string[];
}

type ApiClient = ApiResource<'clients'>;

export function writeClients(
  found: ApiClient | readonly ApiClient[],
  output: ListFormat,
  out: (line: string) => void,
): void {
  if (output === 'name') {
    for (const { name } of [found].flat()) out(name);
    return;
  }
  if (output !== 'table') return out(formatted(found, output));
  const rows = [found].flat().map((client) => {
    const { name, authenticationName, state, clientCertificateAuthentication } = client;
    const attributes = Object.entries(client.attributes).map(
      ([key, value]) => `${key}=${typeof value === 'object' ? `[${value.join()}]` : value}`,
    );
    const scheme = clientCertificateAuthentication.validationScheme;
    return [name, authenticationName, state, scheme, attributes.join(' ')];
  });
  const head = ['NAME', 'AUTHENTICATION NAME', 'STATE', 'SCHEME', 'ATTRIBUTES'];
  for (const line of tableLines([head, ...rows])) out(line);
}

export function createSpec(options: CreateOptions): SpecInput<'clients'> {
  const { authenticationName, scheme, thumbprint, description, attribute } = options;
  const authentication = {
    // The API says which schemes there are.
    ...(scheme !== undefined && { validationScheme: scheme as never }),
    ...(thumbprint !== undefined && {
      ...(scheme === undefined && { validationScheme: 'ThumbprintMatch' as const }),
      allowedThumbprints: thumbprint,
    }),
  };
  return {
    ...(authenticationName !== undefined && { authenticationName }),
    ...(description !== undefined && { description }),
    ...(Object.keys(authentication).length > 0 && {
      clientCertificateAuthentication:
        authentication as ClientSpec['clientCertificateAuthentication'],
    }),
    attributes: readAttributes(attribute ?? []),
  };
}

/** `key=value`: digits are a whole number, `[a,b]` a list of texts, all else a text. */
export function readAttributes(pairs: readonly string[]): ClientSpec['attributes'] {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new Fault('WEIR_CONFIG', `"${pair}" is no attribute: write key=value`);
      const text = pair.slice(at + 1);
      const list = /^\[(.*)\]$/s.exec(text)?.[1];
      if (list !== undefined) return [pair.slice(0, at), list === '' ? [] : list.split(',')];
      return [pair.slice(0, at), /^-?\d{1,15}$/.test(text) ? Number(text) : text];
    }),
  );
}

/** The line to show. */
export async function setState(
  client: ControlClient,
  name: string,
  state: ClientState,
): Promise<string> {
  const word = state === 'Enabled' ? 'enabled' : 'disabled';
  for (let attempt = 1; ; attempt++) {
    const stored = await client.get('clients', name);
    if (stored === undefined) throw new Fault('WEIR_CONFIG', `there is no client "${name}"`);
    if (stored.state === state) return `clients/${name} is ${word} already`;
    const { name: _name, etag, createTime: _create, updateTime: _update, ...spec } = stored;
    try {
      await client.update('clients', name, { ...spec, state }, etag);
      return `${word} clients/${name}`;
    } catch (cause) {
      const isRace = cause instanceof ControlRefusal && cause.status === 'ABORTED';
      if (!isRace || attempt >= CHANGE_TRIES) throw cause;
    }
  }
}

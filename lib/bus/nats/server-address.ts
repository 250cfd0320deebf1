/** Server address — what `nats://user:password@host:port` and its shorter forms say. */

const PORT_DEFAULT = 4222;

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** `tls://`: never talk in the clear. Else as the server asks. */
  readonly tls: boolean;
  /** Fields of CONNECT: user and password, or a token. */
  readonly credentials: Readonly<Record<string, string>>;
}

/** Reads an address; undefined when it is none. */
export function readServerAddress(text: string): ServerAddress | undefined {
  const whole = text.includes('://') ? text : `nats://${text}`;
  if (!URL.canParse(whole)) return undefined;
  const url = new URL(whole);
  const tls = url.protocol === 'tls:';
  if ((!tls && url.protocol !== 'nats:') || url.hostname === '') return undefined;
  const credentials: Record<string, string> = {};
  try {
    const user = decodeURIComponent(url.username);
    if (url.password !== '') {
      credentials['user'] = user;
      credentials['pass'] = decodeURIComponent(url.password);
    } else if (user !== '') credentials['auth_token'] = user;
  } catch {
    return undefined;
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? PORT_DEFAULT : Number(url.port),
    tls,
    credentials,
  };
}

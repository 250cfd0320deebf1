/**
 * JWKS reader — keeps the key sets of JWT issuers in the registry as their providers publish them.
 *
 * Why here: gateways then need no way out, know the same keys at the same moment, and a provider
 *           that is away or slow disturbs no CONNECT.
 * Bounds:   READS_AT_ONCE requests, each JWKS_ANSWER_MS and JWKS_BYTES_MAX; no redirects.
 * Fails:    the keys that were read last go on counting; tried again after JWKS_RETRY_SECONDS, or
 *           the issuer's own time if that is shorter. An empty set is a failure, too: a provider
 *           that signs has a key.
 * Several control processes read the same: who comes second finds nothing to write.
 */
import type { Clock } from '#base';
import { isJsonObject, RegistryFault } from '#registry';
import type { RegistryStore, Resource } from '#registry';
import type { Logger } from '#runtime';

/** How often it is looked whose turn it is, ms: a new issuer's keys are read within it. */
const LOOK_MS = 500;
/** Time for one answer, ms. Providers answer in less than one second. */
export const JWKS_ANSWER_MS = 5_000;
/** Bytes of a key set; ten certificates of RSA-4096 have 20 KiB. */
export const JWKS_BYTES_MAX = 256 * 1024;
/** After a failure, seconds. */
const JWKS_RETRY_SECONDS = 10;
const READS_AT_ONCE = 4;
const ISSUERS_MAX = 1_000;

export interface JwksReaderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined as long as NATS has not been reached. */
  readonly store: () => RegistryStore | undefined;
}

type Outcome = 'changed' | 'unchanged' | 'failed';
type Issuer = Resource<'jwtIssuers'>;

export class JwksReader {
  readonly outcomes: Record<Outcome, number> = { changed: 0, unchanged: 0, failed: 0 };
  readonly #options: JwksReaderOptions;
  /** By name of the issuer: the revision that was read for, and when to read again. */
  readonly #due = new Map<string, { readonly revision: number; readonly atMs: number }>();
  readonly #reading = new Set<string>();
  #isClosed = false;

  constructor(options: JwksReaderOptions) {
    this.#options = options;
    this.#plan();
  }

  close(): void {
    this.#isClosed = true;
  }

  #plan(): void {
    this.#options.clock.after(LOOK_MS, () => {
      if (this.#isClosed) return;
      const store = this.#options.store();
      if (store?.ready === true) this.#look(store);
      this.#plan();
    });
  }

  #look(store: RegistryStore): void {
    const nowMs = this.#options.clock.nowMs();
    const issuers = store.list('jwtIssuers', '', ISSUERS_MAX).resources;
    const names = new Set(issuers.map(({ name }) => name));
    for (const name of this.#due.keys()) if (!names.has(name)) this.#due.delete(name);
    this.#removeLeftOvers(store, names);
    for (const issuer of issuers) {
      const { name, revision, spec } = issuer;
      if (spec.jwksUrl === '' || this.#reading.has(name)) continue;
      if (this.#reading.size >= READS_AT_ONCE) return;
      const due = this.#due.get(name);
      if (due !== undefined && due.revision === revision && nowMs < due.atMs) continue;
      this.#reading.add(name);
      void this.#read(store, issuer);
    }
  }

  /** Key sets whose issuer is gone; what fails is tried at the next look. */
  #removeLeftOvers(store: RegistryStore, issuers: ReadonlySet<string>): void {
    for (const { name } of store.list('jwtKeySets', '', ISSUERS_MAX).resources) {
      if (issuers.has(name) || this.#reading.has(name)) continue;
      this.#reading.add(name);
      store
        .write({ kind: 'jwtKeySets', name, action: 'delete' })
        .catch((cause: unknown) => {
          this.#options.logger.warn('key set cannot be removed', {
            issuer: name,
            why: String(cause),
          });
        })
        .finally(() => this.#reading.delete(name));
    }
  }

  async #read(store: RegistryStore, issuer: Issuer): Promise<void> {
    const { name, revision, spec } = issuer;
    const { clock, logger } = this.#options;
    let seconds = spec.jwksRefreshSeconds;
    try {
      const outcome = await keep(store, issuer, await fetchKeys(spec.jwksUrl));
      this.outcomes[outcome]++;
      if (outcome === 'changed') logger.info('key set read', { issuer: name });
    } catch (cause) {
      this.outcomes.failed++;
      seconds = Math.min(seconds, JWKS_RETRY_SECONDS);
      const why = cause instanceof Error ? cause.message : String(cause);
      logger.warn('key set cannot be read', { issuer: name, url: spec.jwksUrl, why });
    }
    this.#due.set(name, { revision, atMs: clock.nowMs() + seconds * 1_000 });
    this.#reading.delete(name);
  }
}

async function fetchKeys(url: string): Promise<unknown[]> {
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(JWKS_ANSWER_MS),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`HTTP ${response.status}`);
  }
  const json: unknown = JSON.parse(await textOf(response));
  const keys = isJsonObject(json) ? json['keys'] : undefined;
  if (!Array.isArray(keys)) throw new Error('the answer is no JSON Web Key Set');
  return keys;
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > JWKS_BYTES_MAX) throw new Error(`the answer has more than ${JWKS_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function keep(store: RegistryStore, issuer: Issuer, keys: unknown[]): Promise<Outcome> {
  const { name, spec } = issuer;
  const before = store.get('jwtKeySets', name);
  const action = before === undefined ? 'create' : 'update';
  const request = {
    kind: 'jwtKeySets',
    name,
    action,
    spec: { jwksUrl: spec.jwksUrl, keys },
  } as const;
  try {
    const after = await store.write(request);
    return after?.revision === before?.revision ? 'unchanged' : 'changed';
  } catch (cause) {
    // Another control process was quicker.
    if (cause instanceof RegistryFault && cause.code === 'already_exists') return 'unchanged';
    throw cause;
  }
}

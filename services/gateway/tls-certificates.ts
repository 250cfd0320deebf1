/**
 * TLS certificates — the server's certificates from their files, read again when they change.
 *
 * Shape: all files are read every POLL_SECONDS and compared; reading is as cheap as asking for
 *        times, and sees what a swapped link or a copied file with an old time hides. `reload` does
 *        it at once (SIGHUP). Handshakes that begin later use the new ones, connections stay.
 * Fault: at the start a file that is missing or does not fit ends the process. Later the old ones
 *        stay in use, with one log line and a metric; the next poll tries again, so a certificate
 *        that is written before its key is only a short while wrong.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Fault } from '#base';
import type { Clock, Timer } from '#base';
import type { Logger, Metrics, Sample } from '#runtime';
import { makeTlsOffer } from './tls-context.ts';
import type { TlsOffer } from './tls-context.ts';

const POLL_SECONDS = 3;

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface TlsCertificatesOptions {
  readonly files: readonly CertificateFiles[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class TlsCertificates {
  readonly #options: TlsCertificatesOptions;
  #offer: TlsOffer;
  #texts: readonly Buffer[];
  #lastFault: string | undefined;
  #timer: Timer | undefined;
  #reading: Promise<void> | undefined;
  readonly #reloads = { taken: 0, refused: 0 };

  /** Throws Fault WEIR_CONFIG that names the file. */
  constructor(options: TlsCertificatesOptions) {
    this.#options = options;
    const { files, metrics } = options;
    this.#texts = pathsOf(files).map((path) => {
      try {
        return readFileSync(path);
      } catch (cause) {
        throw new Fault('WEIR_CONFIG', `${path} cannot be read: ${String(cause)}`, cause);
      }
    });
    this.#offer = offerOf(files, this.#texts);
    metrics.counter(
      'weir_gateway_certificate_reloads_total',
      'Changed certificate files, by what became of them.',
      (): Sample[] => Object.entries(this.#reloads).map(([result, n]) => [{ result }, n]),
    );
    metrics.gauge(
      'weir_gateway_certificate_expiry_seconds',
      'Unix time at which the first of the server certificates ends.',
      () => this.#offer.validToMs / 1_000,
    );
  }

  /** What a handshake that begins now uses. */
  get offer(): TlsOffer {
    return this.#offer;
  }

  /** Polls from now on. */
  start(): void {
    this.#timer = this.#options.clock.after(POLL_SECONDS * 1_000, () => {
      void this.reload().then(() => {
        if (this.#timer !== undefined) this.start();
      });
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#options.clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  /** Looks at the files now. Never rejects; a second call while one runs waits for it. */
  reload(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { files, logger } = this.#options;
    try {
      const texts = await Promise.all(pathsOf(files).map((path) => readFile(path)));
      if (texts.every((text, index) => text.equals(this.#texts[index] ?? text.subarray(0, 0)))) {
        this.#lastFault = undefined;
        return;
      }
      this.#offer = offerOf(files, texts);
      this.#texts = texts;
      this.#lastFault = undefined;
      this.#reloads.taken++;
      const validTo = new Date(this.#offer.validToMs).toISOString();
      logger.info('certificates reloaded', { files: files.length, validTo });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (why === this.#lastFault) return;
      this.#lastFault = why;
      this.#reloads.refused++;
      logger.error('certificates not reloaded', { why, stays: 'the old ones stay in use' });
    }
  }
}

function pathsOf(files: readonly CertificateFiles[]): string[] {
  return files.flatMap(({ cert, key }) => [cert, key]);
}

/** `texts`: certificate and key by turns. Throws a Fault that names the files. */
function offerOf(files: readonly CertificateFiles[], texts: readonly Buffer[]): TlsOffer {
  const none = Buffer.alloc(0);
  const certificates = files.map(({ cert, key }, index) => {
    const pair = { cert: texts[index * 2] ?? none, key: texts[index * 2 + 1] ?? none };
    try {
      makeTlsOffer([pair]);
    } catch (cause) {
      const says = `${cert} and ${key} are no certificate and key that fit: ${String(cause)}`;
      throw new Fault('WEIR_CONFIG', says, cause);
    }
    return pair;
  });
  return makeTlsOffer(certificates);
}

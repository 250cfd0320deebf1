/**
 * Handshake — one accepted socket from its first bytes to an established TLS connection.
 *
 * The TLS socket is built by ourselves (ecosystem §5): only that keeps the client's whole chain and
 * leaves room for what may stand before TLS. `rejectUnauthorized` is off, because the registry
 * decides: CONNACK then says why, and certificates trusted by thumbprint need no CA.
 * Order: nothing is computed before bytes are there, and then a few handshakes per turn; who only
 *        opens a socket costs nothing but the socket, until the time-out.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { WheelEntry } from './keep-alive-wheel.ts';
import type { TlsOffer } from './tls-context.ts';

export type HandshakeOutcome = 'secure' | 'failed' | 'timed_out';

export interface HandshakeOptions {
  readonly raw: Socket;
  /** Asked when the handshake begins. */
  readonly offer: () => TlsOffer;
  /** ALPN; a client that names only others is refused, one that names none is not. */
  readonly protocols: string[];
  /** The first bytes are there. */
  readonly onHello: () => void;
  /** Called once. */
  readonly onDone: (outcome: HandshakeOutcome) => void;
}

export class Handshake implements WheelEntry {
  heardTick = 0;
  spanTicks = 0;
  slot = -1;
  /** The established socket, once `onDone('secure')` is called. */
  secure: TLSSocket | undefined;
  readonly #raw: Socket;
  readonly #options: HandshakeOptions;
  #isDone = false;
  readonly #onError = (): void => this.#done('failed');

  constructor(options: HandshakeOptions) {
    this.#options = options;
    const { raw, onHello } = options;
    this.#raw = raw;
    raw.on('error', this.#onError);
    raw.on('close', this.#onError);
    raw.once('readable', () => {
      if (raw.readableLength > 0) onHello();
      else this.#done('failed');
    });
  }

  /** Begins the handshake; about 0.6 ms of CPU now and as much with the client's answer. */
  begin(): void {
    if (this.#isDone) return;
    const { offer, protocols } = this.#options;
    const { context, contextFor } = offer();
    const socket = new TLSSocket(this.#raw, {
      isServer: true,
      secureContext: context,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: protocols,
      ...(contextFor === undefined
        ? {}
        : { SNICallback: (name, answer) => answer(null, contextFor(name)) }),
    });
    this.secure = socket;
    socket.on('error', this.#onError);
    socket.on('close', this.#onError);
    socket.once('secure', () => {
      socket.off('error', this.#onError);
      socket.off('close', this.#onError);
      this.#done('secure');
    });
  }

  onSilence(): void {
    this.#done('timed_out');
  }

  #done(outcome: HandshakeOutcome): void {
    if (this.#isDone) return;
    this.#isDone = true;
    if (outcome !== 'secure') {
      this.secure?.destroy();
      this.#raw.destroy();
    }
    this.#options.onDone(outcome);
  }
}

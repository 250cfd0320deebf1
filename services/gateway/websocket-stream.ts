/**
 * WebSocket stream — a WebSocket as the socket of a connection: binary messages in and out are
 * pieces of one stream of bytes, cut without regard to packets [MQTT-6.0.0-2].
 *
 * Shape: one message per write, unmasked, uncompressed, written in place behind its own header.
 * Full:  `writableLength` is what the kernel has not taken, headers included, so the same bounds
 *        hold as for TCP; `pause` stops the reading of the socket below. What was read already, 64
 *        KiB at most, still comes.
 * Fault: text (1003), a message of too many bytes (1009) or pieces (1008) and broken framing
 *        (1002) each end the connection by name: `onFault`.
 */
import type { RawData, WebSocket } from 'ws';
import type { Reason } from '#base';
import type { ClientSocket } from './client-socket.ts';

const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED_DATA = 1003;
const SEND = { binary: true, compress: false, fin: true } as const;

/** Of the library: more bytes, or more pieces, than one message may have. */
const TOO_LARGE = new Set(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_TOO_MANY_BUFFERED_PARTS']);

type Listener = (chunk: Buffer) => void;

export class WebSocketStream implements ClientSocket {
  readonly remoteAddress: string | undefined;
  /** Set by the owner; called once at most. */
  onFault: (reason: Reason) => void = () => undefined;
  readonly #webSocket: WebSocket;
  #closeCode = CLOSE_NORMAL;
  #onData: Listener | undefined;
  #onClose: (() => void) | undefined;

  constructor(webSocket: WebSocket, remoteAddress: string | undefined) {
    this.#webSocket = webSocket;
    this.remoteAddress = remoteAddress;
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    webSocket.on('close', () => this.#onClose?.());
    // The library has answered with the close code that belongs to it.
    webSocket.on('error', (error: NodeJS.ErrnoException) => this.onFault(reasonOf(error)));
  }

  get destroyed(): boolean {
    return this.#webSocket.readyState === this.#webSocket.CLOSED;
  }
  get writableLength(): number {
    return this.#isOpen ? this.#webSocket.bufferedAmount : 0;
  }

  /** After a close frame, ours or the client's, nothing may follow: the bytes are thrown away. */
  write(bytes: Uint8Array, onWritten: () => void): void {
    if (this.#isOpen) this.#webSocket.send(bytes, SEND, onWritten);
    else process.nextTick(onWritten);
  }

  end(): void {
    this.#webSocket.close(this.#closeCode);
  }
  destroy(): void {
    this.#webSocket.terminate();
  }
  pause(): void {
    this.#webSocket.pause();
  }
  resume(): void {
    this.#webSocket.resume();
  }

  /** One listener per event. Errors and the end of the client show as `close`. */
  on(event: 'data' | 'error' | 'end' | 'close', listener: Listener | (() => void)): void {
    if (event === 'data') this.#onData = listener;
    else if (event === 'close') this.#onClose = listener as () => void;
  }

  get #isOpen(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#closeCode !== CLOSE_NORMAL) return;
    if (isBinary) {
      // `binaryType` is left at its default, so it is one buffer.
      this.#onData?.(data as Buffer);
      return;
    }
    // [MQTT-6.0.0-1]
    this.#closeCode = CLOSE_UNSUPPORTED_DATA;
    this.onFault('websocket_text_frame');
  }
}

function reasonOf({ code }: NodeJS.ErrnoException): Reason {
  const isTooLarge = TOO_LARGE.has(code ?? '');
  return isTooLarge ? 'websocket_message_too_large' : 'websocket_protocol_error';
}

/**
 * Client socket — what a connection asks of the thing it reads from and writes to.
 *
 * A TCP or TLS socket is one as it stands, so nothing lies between; a WebSocket becomes one through
 * `websocket-stream.ts`. `end` sends what was written and closes our half; `destroy` may be called
 * at any time and twice. `data` chunks may be cut anywhere.
 */
export interface ClientSocket {
  readonly destroyed: boolean;
  /** Bytes written that the kernel has not taken. */
  readonly writableLength: number;
  readonly remoteAddress?: string | undefined;
  /** `bytes` stay untouched while `writableLength` is above 0. `onWritten` is always called. */
  write(bytes: Uint8Array, onWritten: () => void): unknown;
  end(): unknown;
  destroy(): unknown;
  pause(): unknown;
  resume(): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error' | 'end' | 'close', listener: () => void): unknown;
}

/**
 * Direct socket — takes reading and writing of a connection over from the library, which goes on
 * with what happens once or once a second: connecting, TLS, authentication, pings, the list of
 * subscriptions.
 *
 * Why: see message-reader.ts and command-writer.ts. Versions are pinned; the contract tests notice
 *      a change of what is used here.
 */
import type { Socket } from 'node:net';
import type { NatsConnection, NatsConnectionImpl } from '@nats-io/transport-node';
import { CommandWriter } from './command-writer.ts';
import { MessageReader } from './message-reader.ts';

/** Of the library's parser: between two lines. */
const AT_START = 0;

/** From now on what arrives is read by MessageReader; → the way to publish. */
export function takeOver(connection: NatsConnection): CommandWriter {
  const { protocol } = connection as NatsConnectionImpl;
  const { socket } = protocol.transport as unknown as { readonly socket: Socket };
  const reader = new MessageReader(protocol);
  socket.removeAllListeners('data');
  socket.on('data', (chunk: Buffer) => {
    try {
      // A line that the library began to read is its own to end.
      if (protocol.parser.state === AT_START) reader.read(chunk);
      else protocol.parser.parse(chunk);
    } catch (cause) {
      // Not a protocol that could be read on: the link connects anew.
      socket.destroy(cause instanceof Error ? cause : new Error(String(cause)));
    }
  });
  return new CommandWriter(socket);
}

/**
 * Limits of the edge — constants that no operator needs to change. Those that one may are settings
 * (config.ts); those of a session are SessionLimits.
 *
 * Each: unit in the name, then range, default and reason in its comment.
 */

/**
 * TLS handshakes begun in one turn of the loop. A full one takes about 1.2 ms of CPU, so a turn
 * stays near 10 ms in a reconnect storm and the lease is renewed in time (design §11).
 */
export const HANDSHAKES_PER_TURN = 8;
/** Handshakes whose client's answer is expected: it may come for all of them in one turn. */
export const HANDSHAKES_UNFINISHED_MAX = 48;
/** A handshake counts as unfinished so long, milliseconds; most clients answer within it. */
export const HANDSHAKE_SLOT_MS = 250;
/** Sockets whose ClientHello waits for its turn; more are closed as `server_busy`. 5 s of work. */
export const HANDSHAKES_WAITING_MAX = 4_096;
/** CONNECTs whose authentication begins in one turn: two signature checks of 0.1 ms each. */
export const CONNECTS_PER_TURN = 32;
/** Open connections authenticated again in one turn after a change of the registry. */
export const REAUTHENTICATIONS_PER_TURN = 32;
/** Held connections that go on in one turn: up to 64 KiB of packets each. */
export const RESUMPTIONS_PER_TURN = 64;

/** From the first byte slot to a complete CONNECT, TLS handshake included; seconds. */
export const CONNECT_TIMEOUT_SECONDS = 10;
/** From CONNECT to CONNACK; seconds. A partition's owner is replaced within 5 s. */
export const CONNECT_DECISION_SECONDS = 15;
/** Between asking again whether CONNECTs may be served, milliseconds. */
export const CONNECT_GATE_POLL_MS = 50;
/** A farewell gets this long to reach the client before the socket is destroyed, milliseconds. */
export const FAREWELL_MS = 1_000;
/** A registry that did not answer is asked again about an open connection after this, ms. */
export const REAUTHENTICATION_RETRY_MS = 500;

/** Bytes a socket has not taken from which its client's packets are no longer read. */
export const OUTPUT_HOLD_BYTES = 256 * 1024;
/** First buffer of a connection's output in a turn, bytes: most turns write less. */
export const OUTPUT_SMALL_BYTES = 2 * 1024;
/** Buffer that it grows to, and the largest single write, bytes. */
export const OUTPUT_LARGE_BYTES = 64 * 1024;
/** Free small buffers kept: as many sockets may be written to in one turn; 2 MiB. */
export const OUTPUT_SMALL_POOL_COUNT = 1_024;
/** Free large buffers kept; 4 MiB. */
export const OUTPUT_LARGE_POOL_COUNT = 64;

/** Topics whose publish permission a connection remembers; then it starts anew. */
export const PERMISSION_CACHE_COUNT = 1_024;
/** Longer topics are decided each time: 1,024 of 64 KiB would be 64 MiB for one client. */
export const PERMISSION_TOPIC_BYTES_MAX = 512;
/** Lines about refused and closed connections in one second; more are only counted. */
export const CONNECTION_LOG_LINES_PER_SECOND = 50;
/** TCP keep-alive on accepted sockets, milliseconds: ends dead peers of 3.1.1 keep alive 0. */
export const TCP_KEEP_ALIVE_MS = 60_000;

/** The PROXY header must be complete after this, seconds: the proxy has it before it connects. */
export const PROXY_HEADER_SECONDS = 5;
/** HTTP request of a WebSocket, all headers, bytes: browsers send cookies with it. */
export const WEBSOCKET_REQUEST_BYTES_MAX = 16 * 1024;
/** Frames of one WebSocket message; each costs a buffer until the last one is there. */
export const WEBSOCKET_FRAGMENT_COUNT_MAX = 1_024;
/**
 * A large WebSocket frame that comes in reads smaller than this, on average, bytes, is refused:
 * each read is a buffer of its own. A network's packets have about 1,400.
 */
export const WEBSOCKET_READ_BYTES_MIN = 512;
/**
 * A WebSocket message may be so much larger than the largest packet, bytes: clients put several
 * packets into one, and all of it is kept until its end.
 */
export const WEBSOCKET_MESSAGE_EXTRA_BYTES = 256 * 1024;

/**
 * Header block — reads one value out of the raw header block of a message.
 *
 * Why: a block of ours or of JetStream's has one or two headers, and one of them is wanted: a
 *      search in the bytes costs less than a map of all.
 */
const DIGIT_0 = 48;

/** Status of a server's message without a header of its own ("NATS/1.0 503"); 0 = none. */
export function statusOf(header: Buffer): number {
  // 'NATS/1.0' is 8 bytes; a status follows after a blank.
  if (header.length < 12 || header[8] !== 32) return 0;
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = (header[i] as number) - DIGIT_0;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status;
}

/** Text behind the status. */
export function statusText(header: Buffer): string {
  const end = header.indexOf('\r\n');
  return header.toString('latin1', 12, end < 0 ? header.length : end).trim();
}

/** Value of one header, undefined when absent. `name` as the server writes it. */
export function headerValue(header: Buffer, name: string): string | undefined {
  const start = header.indexOf(`\r\n${name}:`, 0, 'latin1');
  if (start < 0) return undefined;
  const from = start + name.length + 3;
  const end = header.indexOf('\r\n', from, 'latin1');
  return header.toString('latin1', from, end < 0 ? header.length : end).trim();
}

/** Whether the stored message is a deletion marker of a registry key (KV-Operation). */
export function isDeletion(header: Buffer): boolean {
  if (header.length === 0) return false;
  const operation = headerValue(header, 'KV-Operation');
  return operation === 'DEL' || operation === 'PURGE';
}

/**
 * Reads the JSON body of a request, bounded in size; time is bounded by the server.
 */
import { ApiFault } from './api-fault.ts';
import type { AnyRequest } from './any-request.ts';

/** A resource has a few KiB, a large group query 64 KiB; NATS takes 1 MiB. */
export const BODY_BYTES_MAX = 512 * 1024;

/** Throws ApiFault. */
export async function readBody(request: AnyRequest): Promise<unknown> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new ApiFault('media_type', 'the body must have the content type application/json');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Not `for await` over the request: leaving it early would cut the answer's connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const part: Buffer = chunk;
      bytes += part.length;
      if (bytes > BODY_BYTES_MAX) break;
      chunks.push(part);
    }
  } catch (cause) {
    throw new ApiFault('invalid', `the body ended early: ${String(cause)}`);
  }
  if (bytes > BODY_BYTES_MAX) {
    throw new ApiFault('too_large', `the body may have ${BODY_BYTES_MAX} bytes`);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ApiFault('invalid', 'the body is not valid JSON');
  }
}

/** Pages of lists: their sizes, and tokens that say where the next one begins. */
import { fieldFault } from './api-fault.ts';

/** Resources on one page: what a client gets unasked, and at most. */
export const PAGE_SIZE = { default: 100, max: 1_000 } as const;

/** Throws ApiFault. */
export function readPageSize(value: unknown): number {
  if (value === undefined || value === null) return PAGE_SIZE.default;
  const size = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof size === 'number' && Number.isInteger(size) && size >= 0) {
    return size === 0 ? PAGE_SIZE.default : Math.min(size, PAGE_SIZE.max);
  }
  throw fieldFault('pageSize', `must be a whole number from 0 to ${PAGE_SIZE.max}`);
}

/** The name after which the page begins; opaque to clients, so that it may change. */
export function pageToken(lastName: string): string {
  return Buffer.from(`after:${lastName}`, 'utf8').toString('base64url');
}

/** Throws ApiFault. */
export function readPageToken(token: string): string {
  if (token === '') return '';
  const text = Buffer.from(token, 'base64url').toString('utf8');
  if (text.startsWith('after:')) return text.slice('after:'.length);
  throw fieldFault('pageToken', 'must come from nextPageToken of a page before');
}

/**
 * Broken entries — what a run found to be against the promises, by name.
 */
import type { Publication } from './ledger.ts';

export type BrokenWhat =
  /** Acknowledged, and not at somebody who was entitled to it. */
  | 'lost'
  /** More often than it was published. */
  | 'twice'
  /** Again without DUP, in a run without faults. */
  | 'without DUP'
  /** First arrivals of one publisher and topic in another order than published. */
  | 'order'
  /** Received though it was refused or taken back. */
  | 'refused'
  /** A content or topic that nobody published. */
  | 'unknown'
  /** QoS, RETAIN, DUP, packet identifiers or Receive Maximum against the rules. */
  | 'terms'
  /** Session Present other than it must be. */
  | 'session'
  /** Retained message older than what was acknowledged, or missing. */
  | 'retained'
  /** Something did not come to its end: an acknowledgement, a SUBACK, a process. */
  | 'stuck'
  /** A process ended that nobody had struck. */
  | 'process';

export interface Broken {
  readonly what: BrokenWhat;
  readonly who: string;
  readonly text: string;
  /** Around when, `performance.now`: fault history near it is shown. */
  readonly atMs: number;
  readonly publication?: Publication | undefined;
}

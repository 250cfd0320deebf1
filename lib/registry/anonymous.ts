/**
 * The anonymous identity of the development listener: loopback, plain, everything allowed.
 *
 * A directory gives an anonymous identity no access of its own (default deny); the listener that
 * is meant to be open hands `anonymousAccess` out itself.
 */
import type { Access, Identity } from './directory.ts';

export const anonymousIdentity: Identity = Object.freeze({
  clientName: '',
  authenticationName: 'anonymous',
  attributes: Object.freeze({}),
  source: 'anonymous',
});

/** Everything but topics that begin with `$`, which are reserved. */
export const anonymousAccess: Access = Object.freeze({
  mayPublish: (topic: string) => !topic.startsWith('$'),
  maySubscribe: (topicFilter: string) => !topicFilter.startsWith('$'),
});

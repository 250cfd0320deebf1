/** lib/session — the protocol state of a connected client: pure, without sockets and clocks. */
export {
  AcknowledgementRing,
  PUBACK_DUE,
  PUBREC_AGAIN_DUE,
  PUBREC_DUE,
} from './acknowledgement-ring.ts';
export type { AcknowledgementKind, AcknowledgementSink } from './acknowledgement-ring.ts';
export { judgeConnect } from './connect-rules.ts';
export type { ConnectionTerms, ConnectVerdict } from './connect-rules.ts';
export {
  AWAITS_PUBACK,
  AWAITS_PUBCOMP,
  AWAITS_PUBREC,
  DeliveryWindow,
  FREE,
  RESERVED,
} from './delivery-window.ts';
export { connectFarewell, openFarewell } from './farewell.ts';
export { DEFAULT_SESSION_LIMITS } from './session-limits.ts';
export type { SessionLimits } from './session-limits.ts';
export type {
  DeliveryTerms,
  Departure,
  GrantedSubscription,
  SessionGrant,
  SessionOutput,
  SessionPort,
} from './session-port.ts';
export { PENDING_SUBSCRIBE_MAX, Session } from './session.ts';
export type { SessionPhase } from './session.ts';
export { SubscriptionSet } from './subscription-set.ts';

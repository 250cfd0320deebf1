/** Core NATS subjects between gateways and owners (proto/wire/frame.md). */
import { twoDigits } from '#base';

/** Owners → one gateway: frames and everything that must keep their order. */
export function frameSubject(incarnation: string): string {
  return `frame.${incarnation}`;
}

/** Gateways → the owner of a partition in the dispatchers' group. */
export function ownerSubject(partition: number): string {
  return `owner.${twoDigits(partition)}`;
}

/** Control → the owner of a partition: questions and orders of operators, with a reply subject. */
export function operatorSubject(partition: number): string {
  return `operator.${twoDigits(partition)}`;
}

/** Gateway → other gateways: QoS 0 messages they have subscribers for. */
export function peerSubject(incarnation: string): string {
  return `peer.${incarnation}`;
}

/** Gateway → everybody: deltas of its filters. */
export function interestSubject(incarnation: string): string {
  return `interest.${incarnation}`;
}

export const INTEREST_SUBJECTS = 'interest.*';

/** Anybody → one gateway: tell your filters whole, or acknowledge that you follow. */
export function interestAskSubject(incarnation: string): string {
  return `ask.${incarnation}`;
}

/** Gateways → one gateway: which version of its filters they follow now (docs/adr/0006). */
export function heardSubject(incarnation: string): string {
  return `heard.${incarnation}`;
}

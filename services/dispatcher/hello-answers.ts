/**
 * Hello answers — collects a gateway's answer to hello from its parts (protocol 17, ADR 0012 S8).
 *
 * Rule: identifiers come and go between two answers: parts of different attempts are not mixed.
 */
import type { GatewayMessage, HeldIdentifier } from '#frames';
import type { PartitionLink } from './partition-link.ts';

type Answer = Extract<GatewayMessage, { t: 'answer' }>;

/** True: the answer is whole now, and the link has its phase. */
export function takeAnswer(link: PartitionLink, answer: Answer): boolean {
  if (link.phase !== 'asked' || answer.attempt < link.answerAttempt) return false;
  if (answer.attempt > link.answerAttempt) {
    link.answerAttempt = answer.attempt;
    link.answerParts = [];
  }
  link.answerParts[answer.part] = answer;
  link.namedVersion = Math.max(link.namedVersion, answer.filterVersion);
  for (let part = 0; part < answer.parts; part++) {
    if (link.answerParts[part] === undefined) return false;
  }
  if (answer.done === null) link.phase = 'idle';
  else {
    link.phase = 'ready';
    link.done = answer.done;
    link.answeredVersion = answer.answeredVersion;
    link.sessionsNamed = sessionsOf(link.answerParts);
    link.groupsNamed = link.answerParts.flatMap((part) => part?.groups ?? []);
  }
  return true;
}

/** The identifiers of a whole answer, which is then forgotten. */
export function takeIdentifiers(link: PartitionLink): readonly HeldIdentifier[] {
  const held = link.answerParts.flatMap((part) => part?.ids ?? []);
  link.answerParts = [];
  return held;
}

function sessionsOf(parts: readonly (Answer | undefined)[]): PartitionLink['sessionsNamed'] {
  const filed = new Set<number>();
  const undecided = new Set<number>();
  const fresh = new Map<number, number>();
  for (const part of parts) {
    for (const connection of part?.undecided ?? []) undecided.add(connection);
    for (const generation of part?.filed ?? []) filed.add(generation);
    for (const [generation, position] of part?.fresh ?? []) fresh.set(generation, position);
  }
  return { known: parts[0]?.known ?? [], filed, undecided, fresh };
}

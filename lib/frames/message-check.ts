/**
 * Message check — reads the JSON messages of this room and refuses what is not one of them.
 *
 * Why:  they come from other processes, perhaps of another version. A field that is missing or of
 *       another type would show as an error somewhere inside an owner or a gateway and end it.
 * Cost: a look at each field; the messages are rare (per connection or rarer).
 * Ends: `Fault` WEIR_WIRE, for the hearer to count; the sender repeats what it still wants. A kind
 *       that is not known is of a later version and passed over: what travels beside it counts.
 */
import { Fault } from '#base';
import type { Bus, BusMessage } from '#bus';
import {
  decodeMessage,
  type GatewayMessage,
  type InterestAsk,
  type InterestDelta,
  type InterestHeard,
  type InterestWhole,
  type OwnerMessage,
} from './messages.ts';
import type { OperatorAnswer, OperatorRequest } from './operator-messages.ts';

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const text: Check = (value) => typeof value === 'string';
const whole: Check = (value) => Number.isSafeInteger(value);
const wholeOrNull: Check = (value) => value === null || whole(value);
const listOf =
  (each: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(each);
const has =
  (fields: Fields): Check =>
  (value) =>
    isRecord(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

const flag: Check = (value) => typeof value === 'boolean';
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const pair: Check = (value) => listOf(whole)(value) && (value as unknown[]).length === 2;
const tuple =
  (...checks: readonly Check[]): Check =>
  (value) =>
    Array.isArray(value) &&
    value.length === checks.length &&
    checks.every((check, i) => check(value[i]));
const positions = listOf(whole);
const groupPositions = listOf(tuple(text, positions));
const rank = pair;
const inFlight: Check = (value) => listOf(whole)(value) && (value as unknown[]).length === 3;
const subscription = has({
  topicFilter: text,
  qos: whole,
  noLocal: flag,
  retainAsPublished: flag,
  subscriptionIdentifier: whole,
  starts: optional(listOf(whole)),
  formerly: optional(has({ qos: whole, upTo: listOf(whole) })),
});
const outEntry: Check = (value) => listOf(whole)(value) && (value as unknown[]).length === 4;
const will = has({
  topic: text,
  payload: text,
  properties: text,
  qos: whole,
  retain: flag,
  delaySeconds: whole,
  messageExpirySeconds: whole,
});
const session = has({
  present: flag,
  generation: whole,
  stay: whole,
  revision: whole,
  subscriptions: listOf(subscription),
  cursor: listOf(whole),
  inFlight: listOf(inFlight),
  outs: optional(listOf(outEntry)),
});
const leaving = has({
  stay: whole,
  cursor: listOf(wholeOrNull),
  inFlight: listOf(inFlight),
  sessionExpirySeconds: whole,
});
const granted = has({
  connection: whole,
  granted: (value) => value === true,
  rank,
  session: optional(session),
});
const refused = has({ connection: whole, granted: (value) => value === false, reason: text });
const released = has({ connection: whole, released: (value) => value === true, revision: whole });
const changed = has({ connection: whole, changed: whole, revision: whole });
const stepped = has({ connection: whole, stepped: whole });
const decision: Check = (value) =>
  [granted, refused, released, changed, stepped].some((check) => check(value));

const heldIdentifier = has({
  clientIdentifier: text,
  authenticationName: text,
  connection: whole,
  rank,
});

const OWNER_FIELDS: Readonly<Record<OwnerMessage['t'], Fields>> = {
  hello: {},
  welcome: { position: whole },
  effective: { from: whole, to: whole, position: whole },
  claims: { decisions: listOf(decision) },
  end: { connection: whole, reason: text },
  live: { number: whole, generation: whole, turn: whole, position: whole },
  filed: { generation: whole, turn: whole },
  groups: { heard: whole },
  seen: { home: whole, revision: whole },
};

const TURN: Fields = { epoch: whole, generation: whole, stay: whole, turn: whole };

const GATEWAY_FIELDS: Readonly<Record<GatewayMessage['t'], Fields>> = {
  present: {},
  answer: {
    epoch: whole,
    attempt: whole,
    done: wholeOrNull,
    filterVersion: whole,
    answeredVersion: whole,
    ids: listOf(heldIdentifier),
    known: listOf(whole),
    filed: listOf(whole),
    undecided: optional(listOf(whole)),
    fresh: listOf(pair),
    groups: optional(listOf(tuple(text, positions, positions))),
    part: whole,
    parts: whole,
  },
  again: { epoch: whole, from: whole, answers: whole },
  claim: {
    connection: whole,
    clientIdentifier: text,
    authenticationName: text,
    cleanStart: flag,
    sessionExpirySeconds: whole,
    will: optional(will),
  },
  release: {
    connection: whole,
    clientIdentifier: text,
    leaving: optional(leaving),
    publishesWill: optional(flag),
  },
  out: {
    connection: whole,
    clientIdentifier: text,
    number: whole,
    steps: listOf(outEntry),
    acknowledged: listOf(wholeOrNull),
  },
  change: {
    connection: whole,
    clientIdentifier: text,
    number: whole,
    add: listOf(subscription),
    remove: listOf(text),
  },
  live: { ...TURN, filterVersion: whole },
  file: { ...TURN, from: whole },
  queue: { epoch: whole, generation: whole, stay: whole, request: whole, after: whole },
  consumed: { epoch: whole, sessions: listOf(pair) },
  groups: {
    epoch: whole,
    number: whole,
    taken: whole,
    windows: listOf(tuple(text, whole)),
    done: groupPositions,
    back: groupPositions,
  },
  seen: { epoch: whole, home: whole, revision: whole },
  retained: { epoch: whole, request: whole, topicFilter: text, upTo: whole, page: whole },
  enough: { epoch: whole, request: whole },
  taken: { epoch: whole, to: whole },
  effective: { epoch: whole, version: whole },
};

const nullOr =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

const OPERATOR_REQUEST_FIELDS: Readonly<Record<OperatorRequest['t'], Fields>> = {
  locate: { clientIdentifier: text },
  queue: { generation: whole },
  disconnect: { clientIdentifier: text, incarnation: text, connection: whole },
  delete: { clientIdentifier: text, generation: whole },
};
const OPERATOR_ANSWER_FIELDS: Readonly<Record<OperatorAnswer['t'], Fields>> = {
  located: {
    revision: whole,
    generation: wholeOrNull,
    connection: nullOr(has({ incarnation: text, number: whole, authenticationName: text })),
    inFlight: listOf(whole),
  },
  queued: {
    queue: nullOr(has({ mode: text, messages: whole, bytes: whole, oldestAtSeconds: wholeOrNull })),
  },
  disconnected: { done: flag },
  deleted: { done: flag, revision: whole },
};

const DELTA_FIELDS: Fields = {
  from: wholeOrNull,
  to: whole,
  add: listOf(text),
  remove: listOf(text),
};
const WHOLE_FIELDS: Fields = {
  inc: text,
  ask: whole,
  version: whole,
  part: whole,
  parts: whole,
  filters: listOf(text),
};

/** One answer of an owner, from the body of its section; undefined: of a kind not known here. */
export function decodeAnswer(bytes: Buffer): OwnerMessage | undefined {
  let message: unknown;
  try {
    message = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new Fault('WEIR_WIRE', 'answer is not JSON', cause);
  }
  return ofKind(message, 'answer', { t: text, p: whole, epoch: whole }, OWNER_FIELDS);
}

/** What gateways ask of an owner: an array, without kinds that are not known here. */
export function decodeRequests(bytes: Buffer): readonly GatewayMessage[] {
  const messages = decodeMessage<unknown>(bytes);
  if (!Array.isArray(messages)) throw new Fault('WEIR_WIRE', 'requests are no array');
  const known: GatewayMessage[] = [];
  for (const message of messages as readonly unknown[]) {
    const fields = { t: text, inc: text };
    const request = ofKind<GatewayMessage>(message, 'request', fields, GATEWAY_FIELDS);
    if (request !== undefined) known.push(request);
  }
  return known;
}

/** Undefined: of a kind not known here. */
export function decodeOperatorRequest(bytes: Buffer): OperatorRequest | undefined {
  const common = { t: text, ask: whole };
  return ofKind(decodeMessage(bytes), 'request', common, OPERATOR_REQUEST_FIELDS);
}
export function decodeOperatorAnswer(bytes: Buffer): OperatorAnswer | undefined {
  const common = { t: text, ask: whole, p: whole };
  return ofKind(decodeMessage(bytes), 'answer', common, OPERATOR_ANSWER_FIELDS);
}

export function decodeDelta(bytes: Buffer): InterestDelta {
  return checked(decodeMessage(bytes), 'interest', DELTA_FIELDS);
}
export function decodeWhole(bytes: Buffer): InterestWhole {
  return checked(decodeMessage(bytes), 'interest', WHOLE_FIELDS);
}
export function decodeAsk(bytes: Buffer): InterestAsk {
  return checked(decodeMessage(bytes), 'ask', { have: whole, ask: whole });
}
export function decodeHeard(bytes: Buffer): InterestHeard {
  return checked(decodeMessage(bytes), 'heard', { by: text, version: whole });
}

/** Hears a subject. What cannot be read is told to `onDamaged`, never thrown into the bus. */
export function hear<T>(
  bus: Bus,
  subject: string,
  decode: (bytes: Buffer) => T,
  onMessage: (message: T, raw: BusMessage) => void,
  onDamaged: (fault: Fault) => void,
): () => void {
  return bus.subscribe(subject, (raw) => {
    let message: T;
    try {
      message = decode(raw.payload);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      onDamaged(fault);
      return;
    }
    onMessage(message, raw);
  });
}

function checked<T>(value: unknown, what: string, fields: Fields): T {
  if (!has(fields)(value)) throw new Fault('WEIR_WIRE', `${what} lacks a field`);
  return value as T;
}

function ofKind<T>(
  value: unknown,
  what: string,
  common: Fields,
  byKind: Readonly<Record<string, Fields>>,
): T | undefined {
  const { t } = checked<{ t: string }>(value, what, common);
  const own = Object.hasOwn(byKind, t) ? byKind[t] : undefined;
  return own === undefined ? undefined : checked<T>(value, `${what} ${t}`, own);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

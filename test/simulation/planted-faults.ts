/**
 * Planted faults — buses that make a process break one rule of the protocol, to prove that the
 * checker of histories would notice.
 */
import type { Random } from '#base';
import type { Bus, MemoryBus } from '#bus';
import { decodeMessage, encodeMessage, INTEREST_SUBJECTS, type InterestDelta } from '#frames';
import { changed, lyingToOwners } from './changed-bus.ts';
import type { HistorySetting } from './history.ts';
import type { Tamper } from './sim-cluster.ts';

export interface PlantedFault {
  readonly name: string;
  /** What the checker has to say in some history. */
  readonly expects: RegExp;
  readonly setting: Omit<HistorySetting, 'name'>;
  readonly tamper: Tamper;
}

const isLog = (subject: string): boolean => subject.startsWith('log.');

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  {
    name: 'acknowledges before the append is (rule 3)',
    expects: /I1: m\d+ acknowledged, but not in the log/,
    setting: { appendLost: 0.05 },
    tamper: (bus, role) => {
      if (role !== 'gateway') return bus;
      return changed(bus, {
        append: (request, onResult) => {
          if (!isLog(request.subject)) return bus.append(request, onResult);
          bus.append(request, (result) => {
            if (result.kind === 'stored') onResult(result);
            else onResult({ kind: 'stored', sequence: 0, duplicate: false });
          });
        },
      });
    },
  },
  {
    name: 'repeats a record under a new number (rule 2)',
    expects: /I1: m\d+ stands in the log twice/,
    setting: { appendAnswerLost: 0.1 },
    tamper: (bus, role) => {
      if (role !== 'gateway') return bus;
      let number = 0;
      return changed(bus, {
        append: (request, onResult) => {
          if (!isLog(request.subject)) return bus.append(request, onResult);
          const payload = Buffer.from(request.payload);
          payload.writeUIntBE(++number, 4, 6);
          bus.append({ ...request, payload, messageId: `${request.subject}.${number}` }, onResult);
        },
      });
    },
  },
  {
    name: 'ranges do not chain (rule 26)',
    expects: /I3: m\d+ .*missing/,
    setting: { coreLoss: 0.05 },
    tamper: (bus, role) => {
      if (role !== 'dispatcher') return bus;
      return changed(bus, {
        publish: (subject, payload, reply) => {
          if (!subject.startsWith('frame.')) return bus.publish(subject, payload, reply);
          const frame = Buffer.from(payload);
          for (let at = 1; at < frame.length; at += 5 + frame.readUInt32BE(at + 1)) {
            if (frame[at] === 1) frame.writeDoubleBE(0, at + 15);
          }
          return bus.publish(subject, frame, reply);
        },
      });
    },
  },
  {
    name: 'a gateway answers hello with more than it has (rules 17, 28)',
    expects: /I3: m\d+ .*missing|was ended though none was killed/,
    setting: { coreLoss: 0.1, killDispatcher: 0.5 },
    tamper: (bus, role) =>
      role === 'gateway'
        ? lyingToOwners(bus, (m) =>
            typeof m.done === 'number' ? { ...m, done: m.done + 40_960 } : m,
          )
        : bus,
  },
  {
    name: 'a lost delta of filters is not noticed (rule 16)',
    expects: /I3: m\d+ .*missing/,
    setting: {},
    tamper: (bus, role, random) => (role === 'dispatcher' ? deafToDeltas(bus, random) : bus),
  },
  {
    name: 'retained messages are asked for below where the subscription begins (rule 23)',
    expects: /I8: .* got undefined instead of m\d+/,
    setting: {},
    tamper: (bus, role) =>
      role === 'gateway' ? lyingToOwners(bus, (m) => ('upTo' in m ? { ...m, upTo: 0 } : m)) : bus,
  },
  {
    name: 'a gateway does not give identifiers back (rule 16)',
    expects: /\d+ identifiers are held for \d+ clients/,
    setting: {},
    tamper: (bus, role) =>
      role === 'gateway'
        ? lyingToOwners(bus, (m) => (m.t === 'release' ? { ...m, clientIdentifier: '' } : m))
        : bus,
  },
  {
    name: 'a gateway answers SUBSCRIBE before the others follow (ADR 0006)',
    expects: /I3: z\d+ .*missing/,
    setting: { qos0IsComplete: true },
    tamper: (bus, role) => {
      if (role !== 'gateway') return bus;
      return changed(bus, {
        subscribe: (subject, onMessage) =>
          bus.subscribe(subject, (message) => {
            if (subject !== INTEREST_SUBJECTS) return onMessage(message);
            // It follows, but only when SUBACK has long been sent.
            (bus as MemoryBus).control.clock.after(600, () => onMessage(message));
          }),
      });
    },
  },
  {
    name: 'a new owner does not learn who holds which identifier (rule 16)',
    expects: /two connections of s\d/,
    setting: { killDispatcher: 0.3 },
    tamper: (bus, role) =>
      role === 'gateway' ? lyingToOwners(bus, (m) => ('ids' in m ? { ...m, ids: [] } : m)) : bus,
  },
];

/** Follows a fifth of all deltas without what they add, as if it had them. */
function deafToDeltas(bus: Bus, random: Random): Bus {
  return changed(bus, {
    subscribe: (subject, onMessage) =>
      bus.subscribe(subject, (message) => {
        if (subject !== INTEREST_SUBJECTS || random() >= 0.2) return onMessage(message);
        const delta = decodeMessage<InterestDelta>(message.payload);
        onMessage({ ...message, payload: encodeMessage({ ...delta, add: [] }) });
      }),
  });
}

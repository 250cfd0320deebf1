/**
 * Planted faults of stored sessions: one rule of docs/adr/0012 broken by what a process says or
 * hears, to prove that the checker of histories would notice. X that a new owner is not told (S4)
 * is too rare for random histories: scripted/owners.test.ts has it.
 */
import type { Random } from '#base';
import type { Bus } from '#bus';
import { OUT_RECEIVED, QUEUE_HEADER_BYTES, SECTION_QUEUE, SECTION_RANGE } from '#frames';
import {
  answeringWrong,
  type Fields,
  lyingToGateways,
  lyingToOwners,
  reportingWrong,
  type Section,
} from './changed-bus.ts';
import type { PlantedFault } from './planted-faults.ts';
import type { Tamper } from './sim-cluster.ts';

/** Positions of one record. */
const RECORD = 1_024;
/** Where in a range's body the number of answers stands. */
const RANGE_ANSWERS_OFFSET = 42;
const QUEUE_COUNT_OFFSET = 23;

const MOVING = { devices: 12, cleanPace: 0.1, pace: 3, slow: 0.3 } as const;
const QOS2 = { devices: 12, cleanPace: 0.1, pace: 2, qos2: 0.8, killGateway: 0.3 } as const;
const TWICE = /I6: m\d+ twice with QoS 2/;
const LOST = /I2: m\d+ .*missing/;

type Lie<T> = (message: T, random: Random) => T | undefined;

const gatewaysSay =
  (lie: Lie<Fields>): Tamper =>
  (bus, role, random) =>
    role === 'gateway' ? lyingToOwners(bus, (m) => lie(m, random)) : bus;

const ownersAnswer =
  (lie: Lie<Fields>): Tamper =>
  (bus, role, random) =>
    role === 'dispatcher' ? answeringWrong(bus, (m) => lie(m, random)) : bus;

/** A list of positions, each so much higher. */
function raised(positions: unknown, by = RECORD): unknown {
  if (!Array.isArray(positions)) return positions;
  return positions.map((p: unknown) => (typeof p === 'number' ? p + by : p));
}

function releasing(message: Fields, change: (leaving: Fields) => Fields | undefined): Fields {
  const { leaving, ...rest } = message;
  if (message['t'] !== 'release' || leaving === undefined) return message;
  const changed = change(leaving as Fields);
  return changed === undefined ? rest : { ...rest, leaving: changed };
}

/** Changes the session that a grant hands over. */
const grantsSay = (change: (session: Fields) => Fields): Tamper =>
  ownersAnswer((m) => {
    if (m['t'] !== 'claims') return m;
    const decisions = (m['decisions'] as Fields[]).map((d) =>
      d['session'] === undefined ? d : { ...d, session: change(d['session'] as Fields) },
    );
    return { ...m, decisions };
  });

/** Ranges that say nothing about answers sent before them. */
function withoutChain(bus: Bus): Bus {
  return lyingToGateways(bus, (section) => {
    if (section.kind !== SECTION_RANGE) return section;
    const body = Buffer.from(section.body);
    body.writeUInt32BE(0, RANGE_ANSWERS_OFFSET);
    return { kind: section.kind, body };
  });
}

/** A page of a queue without its first entry. */
function shortened(section: Section): Section {
  const count = section.body.readUInt32BE(QUEUE_COUNT_OFFSET);
  if (section.kind !== SECTION_QUEUE || count < 2) return section;
  const first = QUEUE_HEADER_BYTES;
  const next = first + 8 + 4 + section.body.readUInt32BE(first + 8);
  const body = Buffer.concat([section.body.subarray(0, first), section.body.subarray(next)]);
  body.writeUInt32BE(count - 1, QUEUE_COUNT_OFFSET);
  return { kind: section.kind, body };
}

export const PLANTED_SESSION_FAULTS: readonly PlantedFault[] = [
  {
    name: 'a clean start is not asked for (S1)',
    expects: /I7: session present after a clean start/,
    setting: MOVING,
    tamper: gatewaysSay((m) => (m['t'] === 'claim' ? { ...m, cleanStart: false } : m)),
  },
  {
    name: 'the home is told a short expiry (S1)',
    expects: /I2: the session is gone/,
    setting: MOVING,
    tamper: gatewaysSay((m) =>
      m['t'] === 'release'
        ? releasing(m, (leaving) => ({ ...leaving, sessionExpirySeconds: 1 }))
        : m,
    ),
  },
  {
    name: 'a release says that more is acknowledged than is (S1, S6)',
    expects: LOST,
    setting: MOVING,
    tamper: gatewaysSay((m) =>
      releasing(m, (leaving) => ({ ...leaving, cursor: raised(leaving['cursor']) })),
    ),
  },
  {
    name: 'a release says nothing about the session (S1)',
    expects: /I4: m\d+ again at d\d+ .*/,
    setting: { ...MOVING, storedIsExact: true },
    tamper: gatewaysSay((m) => releasing(m, () => undefined)),
  },
  {
    name: 'a release forgets what is in flight (S1)',
    expects: /is forgotten to be in flight|I4: m\d+ again at d\d+ .*without DUP/,
    setting: { ...MOVING, storedIsExact: true },
    tamper: gatewaysSay((m) => releasing(m, (leaving) => ({ ...leaving, inFlight: [] }))),
  },
  {
    name: 'a subscription counts from the beginning (S3)',
    expects: /I7: m\d+ is from before/,
    setting: { ...MOVING, cleanPace: 1 },
    tamper: gatewaysSay((m) => {
      if (m['t'] !== 'change' || !Array.isArray(m['add'])) return m;
      const add = (m['add'] as Fields[]).map(({ starts: _starts, ...rest }) => rest);
      return { ...m, add };
    }),
  },
  {
    name: 'X is said to be higher than it is (S4)',
    expects: LOST,
    setting: MOVING,
    tamper: ownersAnswer((m) =>
      m['t'] === 'live' ? { ...m, position: (m['position'] as number) + 20 * RECORD } : m,
    ),
  },
  {
    name: 'answers are no part of the chain (S4)',
    expects: LOST,
    setting: { ...MOVING, coreLoss: 0.1 },
    tamper: (bus, role) => (role === 'dispatcher' ? withoutChain(bus) : bus),
  },
  {
    name: 'a page of a queue lacks an entry (S4)',
    expects: LOST,
    setting: MOVING,
    tamper: (bus, role, random) => {
      if (role !== 'dispatcher') return bus;
      return lyingToGateways(bus, (s) =>
        s.kind === SECTION_QUEUE && random() < 0.2 ? shortened(s) : s,
      );
    },
  },
  {
    name: 'a slow session is filed from too high (S5)',
    expects: LOST,
    setting: { ...MOVING, pace: 1, slow: 1 },
    tamper: gatewaysSay((m) =>
      m['t'] === 'file' ? { ...m, from: (m['from'] as number) + 10 * RECORD } : m,
    ),
  },
  {
    name: 'the floor is said to be higher than it is (S7)',
    expects: LOST,
    setting: { ...MOVING, killGateway: 0.3 },
    tamper: (bus, role) =>
      role === 'gateway'
        ? reportingWrong(bus, (report) => ({
            ...report,
            floor: (report.floor ?? []).map((p) => (p === null ? null : p + 3 * RECORD)),
          }))
        : bus,
  },
  {
    name: 'a floor counts before the view is where the gateway was (S7)',
    expects: LOST,
    setting: { ...MOVING, lateViewMs: 3_000 },
    tamper: (bus, role) =>
      role === 'gateway'
        ? reportingWrong(bus, (report) => ({
            ...report,
            known: (report.known ?? []).map(() => 0),
          }))
        : bus,
  },
  {
    name: 'a gateway does not learn the revision of an end (S7)',
    expects: LOST,
    setting: { ...MOVING, devices: 2, pace: 0.5, slow: 0.5, lateViewMs: 1_500 },
    tamper: ownersAnswer((m) => {
      if (m['t'] !== 'claims') return m;
      const decisions = (m['decisions'] as Fields[]).map((d) =>
        d['released'] === true ? { ...d, revision: 0 } : d,
      );
      return { ...m, decisions };
    }),
  },
  {
    name: 'a new owner is not told which sessions are filed (S8)',
    expects: LOST,
    setting: { ...MOVING, slow: 0.6, killDispatcher: 0.5 },
    tamper: gatewaysSay((m) => (m['t'] === 'answer' ? { ...m, filed: [] } : m)),
  },
  {
    name: 'a new owner takes a stay for known that is not (S8)',
    expects: LOST,
    setting: { ...MOVING, pace: 6, killDispatcher: 0.6, lateViewMs: 2_000, coreLoss: 0.1 },
    tamper: gatewaysSay((m) => {
      if (m['t'] !== 'answer' || !Array.isArray(m['known'])) return m;
      return { ...m, known: m['known'].map(() => Number.MAX_SAFE_INTEGER), undecided: [] };
    }),
  },
  {
    name: 'more is said to be consumed than is (S9)',
    expects: LOST,
    setting: { ...MOVING, slow: 0.6, killGateway: 0.2 },
    tamper: gatewaysSay((m) => {
      if (m['t'] !== 'consumed') return m;
      const sessions = (m['sessions'] as [number, number][]).map(([g, to]) => [g, to + 5 * RECORD]);
      return { ...m, sessions };
    }),
  },
  {
    name: 'SUBACK does not wait for the view of the owners (S10)',
    expects: LOST,
    setting: { ...MOVING, lateViewMs: 3_000 },
    tamper: (bus, role) => {
      if (role === 'gateway') {
        return lyingToOwners(bus, (m) => (m['t'] === 'seen' ? { ...m, revision: 0 } : m));
      }
      return answeringWrong(bus, (m) =>
        m['t'] === 'seen' ? { ...m, revision: Number.MAX_SAFE_INTEGER } : m,
      );
    },
  },
  {
    name: 'a grant does not hand over which QoS 2 deliveries have begun (0014)',
    expects: TWICE,
    setting: QOS2,
    tamper: grantsSay((session) => ({ ...session, outs: [] })),
  },
  {
    name: 'a grant does not say up to where a QoS 2 client has acknowledged (0014)',
    expects: TWICE,
    setting: QOS2,
    tamper: grantsSay((session) => ({
      ...session,
      cursor: (session['cursor'] as number[]).map(() => 0),
    })),
  },
  {
    name: 'PUBREL is sent before its home knows that the message was received (0014)',
    expects: TWICE,
    setting: QOS2,
    tamper: gatewaysSay((m) => {
      if (m['t'] !== 'out') return m;
      const steps = (m['steps'] as number[][]).filter(([, , , state]) => state !== OUT_RECEIVED);
      return { ...m, steps };
    }),
  },
];

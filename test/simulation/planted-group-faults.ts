/**
 * Planted faults of shared subscriptions: one rule of docs/adr/0013 broken by what a process says,
 * to prove that the checker of histories would notice.
 */
import { type Fields, lyingToGateways, lyingToOwners } from './changed-bus.ts';
import type { GroupSetting } from './group-history.ts';
import type { Tamper } from './sim-cluster.ts';

export interface PlantedGroupFault {
  readonly name: string;
  /** What the checker has to say in some history. */
  readonly expects: RegExp;
  readonly setting: Omit<GroupSetting, 'name'>;
  readonly tamper: Tamper;
}

/** Where in the body of a group section its number stands (proto/wire/frame.md). */
const NUMBER_OFFSET = 10;
const SECTION_GROUP = 5;
const MOVING = { leaveDispatcher: 0.6, join: 2, isExact: true } as const;
const BREAKING = { breaks: 3, join: 3, isExact: true } as const;

const gatewaysSay =
  (lie: (message: Fields) => Fields | undefined): Tamper =>
  (bus, role) =>
    role === 'gateway' ? lyingToOwners(bus, lie) : bus;

/** Groups in an answer to hello, without their held (1) or finished (2) positions. */
function without(message: Fields, index: 1 | 2): Fields {
  const { groups } = message;
  if (message['t'] !== 'answer' || !Array.isArray(groups)) return message;
  const changed = groups.map((group: readonly unknown[]) => group.with(index, []));
  return { ...message, groups: changed };
}

export const PLANTED_GROUP_FAULTS: readonly PlantedGroupFault[] = [
  {
    name: 'a new owner is not told what is held',
    expects: /came twice to group/,
    setting: { ...MOVING, slownessMs: 2_000 },
    tamper: gatewaysSay((m) => without(m, 1)),
  },
  {
    name: 'a new owner is not told what is finished',
    expects: /came twice to group/,
    setting: MOVING,
    tamper: gatewaysSay((m) => without(m, 2)),
  },
  {
    name: 'what a client had that is gone is called done',
    expects: /was lost to group/,
    setting: BREAKING,
    tamper: gatewaysSay((m) => (m['t'] === 'groups' ? { ...m, done: both(m), back: [] } : m)),
  },
  {
    name: 'nothing is given back',
    expects: /stay in the queues|was lost to group/,
    setting: BREAKING,
    tamper: gatewaysSay((m) => (m['t'] === 'groups' ? { ...m, back: [] } : m)),
  },
  {
    name: 'sections are called taken before they come',
    expects: /stay in the queues|was lost to group/,
    setting: { coreLoss: 0.05 },
    tamper: gatewaysSay((m) => (m['t'] === 'groups' ? { ...m, taken: 1_000_000 } : m)),
  },
  {
    name: 'sections all have the next number',
    expects: /came though there was no room|stay in the queues|was lost|came twice/,
    setting: { coreLoss: 0.05, isExact: true, isOrdered: true },
    tamper: (bus, role) => {
      if (role !== 'dispatcher') return bus;
      return lyingToGateways(bus, (section) => {
        if (section.kind !== SECTION_GROUP) return section;
        const body = Buffer.from(section.body);
        body.writeUInt32BE(1, NUMBER_OFFSET);
        return { kind: section.kind, body };
      });
    },
  },
];

function both({ done, back }: Fields): unknown[] {
  return [...(done as unknown[]), ...(back as unknown[])];
}

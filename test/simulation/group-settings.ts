/** What goes wrong in histories of shared subscriptions. */
import type { GroupSetting } from './group-history.ts';

export const SETTINGS: readonly GroupSetting[] = [
  { name: 'calm', isExact: true, isOrdered: true },
  { name: 'members that break off', breaks: 3, join: 3, isExact: true },
  { name: 'members that acknowledge late', slownessMs: 5_000, isExact: true, isOrdered: true },
  { name: 'owners that change in order', leaveDispatcher: 0.6, breaks: 1, join: 2, isExact: true },
  { name: 'gateways that leave in order', leaveGateway: 0.4, join: 2, isExact: true },
  {
    name: 'gateways and owners that leave in order',
    leaveGateway: 0.4,
    leaveDispatcher: 0.3,
    join: 2,
    isExact: true,
  },
  { name: 'lost messages', coreLoss: 0.05, damage: 0.02, breaks: 1, join: 2, isExact: true },
  { name: 'dispatchers that die', killDispatcher: 0.3, breaks: 1, join: 2, slownessMs: 5_000 },
  { name: 'gateways that die', killGateway: 0.3, join: 3, slownessMs: 2_000 },
  {
    name: 'everything',
    coreLoss: 0.02,
    appendAnswerLost: 0.02,
    killGateway: 0.15,
    killDispatcher: 0.15,
    pauseDispatcher: 0.1,
    pauseGateway: 0.1,
    stall: 0.1,
    breaks: 1,
    join: 3,
  },
];

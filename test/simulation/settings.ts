/** The settings in which histories are run: what goes wrong, and how often. */
import type { HistorySetting } from './history.ts';

export const SETTINGS: readonly HistorySetting[] = [
  { name: 'calm' },
  { name: 'core messages lost', coreLoss: 0.05 },
  {
    name: 'appends lost, unanswered, stalled',
    appendAnswerLost: 0.05,
    appendLost: 0.05,
    appendStalled: 0.005,
  },
  { name: 'gateways and dispatchers killed', killGateway: 0.15, killDispatcher: 0.2 },
  { name: 'gateways and dispatchers paused', pauseDispatcher: 0.2, pauseGateway: 0.1 },
  { name: 'outages of NATS', outage: 0.1 },
  {
    name: 'everything',
    coreLoss: 0.03,
    appendAnswerLost: 0.02,
    appendLost: 0.02,
    killGateway: 0.1,
    killDispatcher: 0.1,
    pauseDispatcher: 0.1,
    outage: 0.05,
  },
];

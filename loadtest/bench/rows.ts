/**
 * Rows — what the bench measures and what Weir is to reach in each.
 *
 * Goals are ratios to Mosquitto in the same minutes: absolute figures do not travel between
 * machines. A row without a goal is there to be watched.
 */

/** Ratios of Weir's figure to Mosquitto's. */
export interface Goal {
  /** CPU per message at most this part. */
  readonly cpuMax: number;
  /** Messages per second at least this multiple. */
  readonly throughputMin?: number;
}

export interface Row {
  readonly name: string;
  readonly says: string;
  /** How the generator is called, without ports, processes and time. */
  readonly args: readonly string[];
  /** Subscribers on the second gateway. Mosquitto has one port for both. */
  readonly acrossGateways: boolean;
  /** Client certificates; counts connections instead of messages. */
  readonly tls?: boolean;
  readonly goal?: Goal;
}

const TEN_PAIRS = ['--mode', 'pair', '-p', '10', '-s', '10', '-w', '200'];
/** Handshakes: enough to outlast the start of a connection pool, short on a slow machine. */
const CONNECTIONS = '500';

export const ROWS: readonly Row[] = [
  {
    name: 'q0-local',
    says: '10 pairs, QoS 0, one gateway',
    args: [...TEN_PAIRS, '-q', '0'],
    acrossGateways: false,
    goal: { cpuMax: 1 / 6 },
  },
  {
    name: 'q0-across',
    says: '10 pairs, QoS 0, two gateways',
    args: [...TEN_PAIRS, '-q', '0'],
    acrossGateways: true,
    goal: { cpuMax: 1 / 3 },
  },
  {
    name: 'q1-across',
    says: '10 pairs, QoS 1, two gateways',
    args: [...TEN_PAIRS, '-q', '1'],
    acrossGateways: true,
    goal: { cpuMax: 1 / 4, throughputMin: 4 },
  },
  {
    name: 'q1-window1',
    says: '100 pairs, QoS 1, one at a time',
    args: ['--mode', 'pair', '-p', '100', '-s', '100', '-q', '1', '-w', '1'],
    acrossGateways: true,
  },
  {
    name: 'q0-window1',
    says: '500 pairs, QoS 0, one at a time',
    args: ['--mode', 'pair', '-p', '500', '-s', '500', '-q', '0', '-w', '1'],
    acrossGateways: false,
  },
  {
    name: 'fan-out',
    says: '1 to 500, QoS 0',
    args: ['--mode', 'fanout', '-p', '1', '-s', '500', '-q', '0', '-w', '20'],
    acrossGateways: false,
  },
  {
    name: 'fan-in',
    says: '50 to 1, QoS 0',
    args: ['--mode', 'fanin', '-p', '50', '-s', '1', '-q', '0', '-w', '100'],
    acrossGateways: false,
  },
  {
    name: 'connect-tls',
    says: `${CONNECTIONS} client certificates`,
    args: ['--mode', 'conn', '-n', CONNECTIONS],
    acrossGateways: false,
    tls: true,
  },
];

/** `all`, `goals`, or names separated by commas. Throws for an unknown name. */
export function selectRows(selection: string): readonly Row[] {
  if (selection === 'all') return ROWS;
  if (selection === 'goals') return ROWS.filter((row) => row.goal !== undefined);
  return selection.split(',').map((name) => {
    const row = ROWS.find((candidate) => candidate.name === name);
    if (row !== undefined) return row;
    const known = ROWS.map((candidate) => candidate.name).join(', ');
    throw new Error(`no row ${name}: there are all, goals, ${known}`);
  });
}

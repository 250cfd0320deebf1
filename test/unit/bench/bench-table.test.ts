/** What the bench makes of the generator's lines: figures, medians, goals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reading } from '../../../loadtest/bench/generator.ts';
import type { Reading } from '../../../loadtest/bench/generator.ts';
import { selectRows } from '../../../loadtest/bench/rows.ts';
import type { Row } from '../../../loadtest/bench/rows.ts';
import { isGoalMet, medianReading, renderTable } from '../../../loadtest/bench/table.ts';

const [ACROSS] = selectRows('q1-across') as [Row];

function figures(rate: number, cpuMicroseconds: number): Reading {
  return { rate, cpuMicroseconds, p50: 1, p99: 2 };
}

test('a line of messages and a line of connections are understood', () => {
  const messages =
    'pair q1 v4 p=10 s=10 size=64 w=200: recv=265386/s acked=264439/s p50=4.80ms p99=30.47ms ' +
    'p999=46.61ms broker_cpu_us_per_msg=4.58 broker_cores=1.22 self_cpu_s=0.37 rss_mib=1048';
  assert.deepEqual(reading(messages), {
    rate: 265_386,
    cpuMicroseconds: 4.58,
    p50: 4.8,
    p99: 30.47,
  });
  const connections = 'conn n=500 rate=377/s cpu_us_per_conn=1260.0 kib_per_conn=9.12 resumed=0';
  assert.deepEqual(reading(connections), { rate: 377, cpuMicroseconds: 1260 });
});

test('a line without figures is refused', () => {
  assert.throws(() => reading('mqbench: connack refused 5'), /connack refused 5/);
});

test('the median of each figure is taken apart', () => {
  const median = medianReading([figures(5, 1), figures(1, 9), figures(3, 2)]);
  assert.deepEqual(median, figures(3, 2));
  assert.equal(medianReading([figures(1, 1), figures(3, 1)]).rate, 2);
});

test('a goal needs both CPU and throughput', () => {
  const mosquitto = figures(100, 12);
  const met = (weir: Reading): boolean | undefined => isGoalMet({ row: ACROSS, mosquitto, weir });
  assert.equal(met(figures(400, 3)), true);
  assert.equal(met(figures(399, 3)), false);
  assert.equal(met(figures(400, 3.1)), false);
  assert.equal(isGoalMet({ row: ACROSS, mosquitto: undefined, weir: figures(1, 1) }), undefined);
});

test('the table says what was missed', () => {
  const weir = figures(200, 3);
  const text = renderTable([{ row: ACROSS, mosquitto: figures(100, 12), weir }]);
  assert.match(text, /2\.0 ×\s+1\/4\.0\s+≥ 4 ×, CPU ≤ 1\/4\s+NOT MET$/);
});

test('rows are selected by name', () => {
  assert.deepEqual(
    selectRows('fan-in,q0-local').map((row) => row.name),
    ['fan-in', 'q0-local'],
  );
  assert.ok(selectRows('goals').every((row) => row.goal !== undefined));
  assert.throws(() => selectRows('q7'), /no row q7/);
});

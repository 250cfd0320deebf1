/** What a home keeps of QoS 2 deliveries to stored sessions (docs/adr/0014). */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import { OUT_FINISHED, OUT_RECEIVED, OUT_SENT } from '#frames';
import { OutTable } from '../../../services/dispatcher/out-table.ts';
import { MemoryTables } from '../../fixtures/memory-tables.ts';

const GENERATION = 12;

let state: MemoryTables;
let outs: OutTable;

beforeEach(() => {
  state = new MemoryTables(new SimClock());
  outs = new OutTable(state);
});

/** Another home takes over with what is durable. */
function recovered(): OutTable {
  state.commit(0);
  return new OutTable(new MemoryTables(new SimClock(), state.durable));
}

describe('OutTable', () => {
  it('hands over what was begun, and up to where all is acknowledged', () => {
    outs.step(GENERATION, [[1, 0, 100, OUT_SENT]], [0, 0]);
    outs.step(GENERATION, [[2, 1, 200, OUT_SENT]], [0, 150]);
    outs.step(GENERATION, [[1, 0, 100, OUT_RECEIVED]], [50, null]);
    for (const table of [outs, recovered()]) {
      assert.deepEqual(table.entries(GENERATION), [
        [1, 0, 100, OUT_RECEIVED],
        [2, 1, 200, OUT_SENT],
      ]);
      assert.deepEqual(table.acknowledged(GENERATION), [50, 150]);
    }
  });

  it('remembers the acknowledged position of what it has forgotten', () => {
    outs.step(GENERATION, [[1, 0, 100, OUT_SENT]], [0, 0]);
    outs.step(GENERATION, [[1, 0, 100, OUT_FINISHED]], [100, 0]);
    for (const table of [outs, recovered()]) {
      assert.deepEqual(table.entries(GENERATION), []);
      assert.deepEqual(table.acknowledged(GENERATION), [100, 0]);
      assert.equal(table.size, 0);
    }
    outs.end(GENERATION);
    assert.deepEqual(recovered().acknowledged(GENERATION), []);
    assert.deepEqual([...recovered().generations], []);
  });

  it('takes a delivery for finished when its identifier is in flight for another one', () => {
    outs.step(GENERATION, [[1, 0, 100, OUT_RECEIVED]], [0, 0]);
    outs.step(GENERATION, [[2, 0, 101, OUT_SENT]], [0, 0]);
    outs.replaced(GENERATION, [
      [1, 0, 120],
      [2, 0, 101],
    ]);
    assert.deepEqual(outs.entries(GENERATION), [
      [1, 0, 100, OUT_FINISHED],
      [2, 0, 101, OUT_SENT],
    ]);
  });
});

/**
 * A scripted history as tests: it holds with the rule, and shows when a fault is planted.
 *
 * Names begin with the rule: S1 … of docs/adr/0012, 0014, a number of the protocol. What the
 * protocol says about the state log alone (10–13) is tested in test/unit/state, and what happens
 * when a record of the log comes twice in test/unit/reader.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Tamper } from '../sim-cluster.ts';
import { Stage, type StageOptions } from './stage.ts';

export interface Script {
  /** What happens, and which rule carries it. */
  readonly name: string;
  readonly stage?: Omit<StageOptions, 'tamper'>;
  readonly play: (stage: Stage) => void;
  /** The rule broken. */
  readonly planted?: Tamper;
}

export function scripted({ name, stage, play, planted }: Script): void {
  it(name, () => play(new Stage(stage)));
  if (planted === undefined) return;
  it(`${name}: shows without the rule`, () => {
    assert.throws(() => play(new Stage({ ...stage, tamper: planted })), assert.AssertionError);
  });
}

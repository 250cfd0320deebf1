/**
 * Random histories of a state log on the memory bus: puts, deletes, reads, pauses, kills, outages,
 * lost and late writes. At each take-over the recovered tables must equal what the writer had at
 * exactly the progress that was recovered, and nothing told durable may be missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from '#base';
import { MemoryCluster, SimClock } from '#bus';
import { StateLog, type StateProgress, stateStreamConfig } from '#state';
import { seededRandom } from '../../fixtures/seeded-random.ts';

const SEEDS = 60;
const OWNERS = 6;
const STEPS = 120;
const TABLE = 3;
const SLACK_BYTES = 1024 * 1024;

type Content = Map<string, string>;

/** What every owner together knows: the writer's content at each progress it named. */
class History {
  readonly at = new Map<number, Content>([[0, new Map()]]);
  /** Named in a `whenDurable` that was called. */
  durable = 0;
  next = 1;
}

class Owner {
  readonly log: StateLog;
  readonly content: Content;
  readonly #history: History;
  #version: number;

  constructor(log: StateLog, history: History) {
    this.log = log;
    this.#history = history;
    this.#version = log.recovered.decided;
    const recovered = history.at.get(this.#version);
    assert.ok(recovered !== undefined, `progress ${this.#version} was never named`);
    assert.ok(this.#version >= history.durable, 'what was told durable is missing');
    this.content = new Map(recovered);
    log.begin(() => this.#progress());
  }

  /** Each change of the content is a version; what follows a lost one has other numbers. */
  change(key: string, value: string | undefined): void {
    if (value === undefined) {
      if (!this.content.delete(key)) return;
      this.log.delete(TABLE, key);
    } else {
      this.content.set(key, value);
      this.log.put(TABLE, key, Buffer.from(value));
    }
    this.#version = this.#history.next++;
  }

  noteDurable(): void {
    const version = this.#version;
    this.log.whenDurable(() => {
      this.#history.durable = Math.max(this.#history.durable, version);
    });
  }

  #progress(): StateProgress {
    this.#history.at.set(this.#version, new Map(this.content));
    return { checkpoint: 0, decided: this.#version, skippedRecords: [] };
  }
}

function expectContent(clock: SimClock, owner: Owner, what: string): void {
  const { log, content } = owner;
  assert.deepEqual([...log.keys(TABLE)].toSorted(), [...content.keys()].toSorted(), what);
  let waiting = content.size;
  const found: Content = new Map();
  for (const key of content.keys()) {
    log.get(TABLE, key, (value) => {
      waiting--;
      found.set(key, value?.toString() ?? 'nothing');
    });
  }
  assert.ok(
    clock.runUntil(() => waiting === 0, clock.nowMs() + 120_000),
    `${what}: get is silent`,
  );
  for (const [key, value] of content) assert.equal(found.get(key), value, `${what}: ${key}`);
}

function act(random: Random, cluster: MemoryCluster, owner: Owner): void {
  const dice = random();
  const key = `k${Math.floor(random() * random() * 80)}`;
  if (dice < 0.6) {
    const bytes = dice < 0.02 ? 150_000 : Math.floor(random() * 12_000);
    owner.change(key, `${owner.log.recordsWritten}.${dice}`.padEnd(bytes, '.'));
  } else if (dice < 0.75) owner.change(key, undefined);
  else if (dice < 0.77) for (const each of [...owner.content.keys()]) owner.change(each, undefined);
  else if (dice < 0.9) owner.noteDurable();
  else if (dice < 0.91) cluster.crash();
  else if (dice < 0.96) cluster.recover();
}

function run(seed: number, rough: boolean): number {
  const random = seededRandom(seed);
  const clock = new SimClock();
  const cluster = new MemoryCluster(clock, random);
  cluster.createStream(stateStreamConfig('g', 0, 1));
  if (rough) {
    Object.assign(cluster.faults, {
      appendAnswerLost: 0.05,
      appendLost: 0.05,
      appendUndecided: 0.05,
      appendStalled: 0.02,
    });
  }
  const history = new History();
  let copied = 0;
  let previous: { kill: () => void } | undefined;
  for (let epoch = 1; epoch <= OWNERS; epoch++) {
    const bus = cluster.connect(`owner ${epoch}`);
    const options = { bus, clock: bus.control.clock, group: 'g', partition: 0, epoch };
    let log: StateLog | undefined;
    let fenced = false;
    const cache = random() < 0.5 ? { cacheBytesMax: 50_000 } : {};
    const onFenced = (): void => {
      fenced = true;
    };
    StateLog.recover({ ...options, ...cache, onFenced }, (recovered) => {
      log = recovered;
    });
    // The old owner lives on for a moment, as a zombie does.
    assert.ok(
      clock.runUntil(() => log !== undefined, clock.nowMs() + 120_000),
      `seed ${seed}: owner ${epoch} does not recover`,
    );
    previous?.kill();
    previous = bus.control;
    assert.ok(log !== undefined);
    const owner = new Owner(log, history);
    expectContent(clock, owner, `seed ${seed}, owner ${epoch}, recovered`);
    for (let step = 0; step < STEPS; step++) {
      act(random, cluster, owner);
      clock.run(clock.nowMs() + random() * random() * 400);
    }
    cluster.recover();
    assert.equal(fenced, false, `seed ${seed}: owner ${epoch} was fenced by nobody`);
    if (random() < 0.5) {
      expectContent(clock, owner, `seed ${seed}, owner ${epoch}, at its end`);
      clock.run(clock.nowMs() + 20_000);
      const over = owner.log.totalBytes - 3 * owner.log.liveBytes;
      assert.ok(over < SLACK_BYTES, `seed ${seed}: ${over} bytes over the bound`);
    }
    copied += owner.log.bytesCopied;
  }
  return copied;
}

test('recovery is the writer at its last record, in calm runs', () => {
  let copied = 0;
  for (let seed = 1; seed <= SEEDS / 4; seed++) copied += run(seed, false);
  assert.ok(copied > 0, 'nothing was copied forward');
});

test('recovery is the writer at its last record, with lost, late and doubtful writes', () => {
  let copied = 0;
  for (let seed = 1001; seed <= 1000 + SEEDS; seed++) copied += run(seed, true);
  assert.ok(copied > 0, 'nothing was copied forward');
});

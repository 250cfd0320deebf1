import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AppendResult, type Bus, MemoryCluster, SimClock } from '#bus';
import { seededRandom } from '../../fixtures/seeded-random.ts';

function newCluster(seed = 1): { clock: SimClock; cluster: MemoryCluster } {
  const clock = new SimClock();
  const cluster = new MemoryCluster(clock, seededRandom(seed));
  cluster.createStream({ name: 'S', subjects: ['s.>'], replicas: 1, duplicateWindowMs: 1_000 });
  return { clock, cluster };
}

function append(bus: Bus, messageId: string, results: AppendResult[]): void {
  const request = { stream: 'S', subject: 's.a', payload: Buffer.from(messageId), messageId };
  bus.append(request, (result) => results.push(result));
}

const kinds = (results: AppendResult[]): string[] => results.map(({ kind }) => kind);

describe('the memory cluster', () => {
  it('replays a run with faults exactly from its seed', () => {
    const play = (seed: number): string => {
      const { clock, cluster } = newCluster(seed);
      Object.assign(cluster.faults, { appendAnswerLost: 0.1, appendStalled: 0.1 });
      cluster.faults.coreLoss.push({ subjectPrefix: 'c.', probability: 0.3 });
      const events: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        const bus = cluster.connect(name);
        const note = (text: string): void => void events.push(`${clock.nowMs()} ${name} ${text}`);
        bus.onConnection((connected) => note(`${connected}`));
        bus.subscribe('c.*', ({ payload }) => note(payload.toString()));
        bus.follow({ stream: 'S', fromSequence: 1, onMessage: (m) => note(`${m.sequence}`) });
        const tick = (): void => {
          bus.publish(`c.${name}`, Buffer.from(name));
          const request = { stream: 'S', subject: `s.${name}`, payload: Buffer.alloc(9) };
          bus.append(request, (result) => note(result.kind));
          bus.control.clock.after(40, tick);
        };
        tick();
      }
      clock.after(500, () => cluster.crash());
      clock.after(700, () => cluster.recover());
      clock.run(3_000);
      return events.join('\n');
    };
    assert.equal(play(7), play(7));
    assert.notEqual(play(7), play(8));
  });

  it('calls a paused process late and a killed one never', () => {
    const { clock, cluster } = newCluster();
    const [paused, killed, sender] = ['p', 'k', 's'].map((name) => cluster.connect(name));
    assert.ok(paused !== undefined && killed !== undefined && sender !== undefined);
    const got: string[] = [];
    for (const bus of [paused, killed]) {
      const { name } = bus.control;
      bus.subscribe('c', () => got.push(`${name} message at ${Math.floor(clock.nowMs())}`));
      bus.control.clock.after(50, () => got.push(`${name} timer at ${clock.nowMs()}`));
      bus.onConnection(() => got.push(`${name} connection`));
      append(bus, name, []);
    }
    clock.run(10);
    paused.control.pause();
    killed.control.kill();
    sender.publish('c', Buffer.alloc(0));
    clock.run(1_000);
    assert.deepEqual(got, []);
    paused.control.resume();
    assert.deepEqual(got.toSorted(), ['p message at 1000', 'p timer at 1000']);
  });

  it('lets a partitioned process notice in 2–3 s; what it had sent may have landed', () => {
    let landed = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const { clock, cluster } = newCluster(seed);
      const bus = cluster.connect('a');
      const results: AppendResult[] = [];
      clock.run(10);
      bus.control.partition();
      append(bus, 'm', results);
      clock.run(1_900);
      assert.equal(bus.connected, true);
      clock.run(3_100);
      assert.equal(bus.connected, false);
      assert.deepEqual(kinds(results), ['undecided']);
      assert.equal(cluster.stream('S')?.lastSequence, 0);
      bus.control.heal();
      clock.run(5_000);
      assert.equal(bus.connected, true);
      landed += cluster.stream('S')?.lastSequence ?? 0;
      assert.equal(results.length, 1);
    }
    assert.ok(landed > 0 && landed < 30, `${landed} of 30 landed`);
  });

  it('delivers late what a short partition held up, and loses nothing', () => {
    const { clock, cluster } = newCluster();
    const bus = cluster.connect('a');
    const results: AppendResult[] = [];
    bus.control.partition();
    append(bus, 'm', results);
    clock.run(1_000);
    bus.control.heal();
    clock.run(1_010);
    assert.deepEqual(kinds(results), ['stored']);
    assert.equal(bus.connected, true);
  });

  it('lets a stalled copy land late: a duplicate in the window, a second message after it', () => {
    for (const [stalledMs, messages] of [
      [500, 1],
      [5_000, 2],
    ] as const) {
      const { clock, cluster } = newCluster();
      const bus = cluster.connect('a');
      const results: AppendResult[] = [];
      Object.assign(cluster.faults, { appendStalled: 1, stalledMs: [stalledMs, stalledMs] });
      append(bus, 'm', results);
      clock.run(100);
      cluster.faults.appendStalled = 0;
      append(bus, 'm', results);
      clock.run(10_000);
      assert.deepEqual(kinds(results), ['stored', 'undecided']);
      assert.equal(cluster.stream('S')?.state().messages, messages);
    }
  });

  it('answers nothing or 503 while a stream has no leader', () => {
    const { clock, cluster } = newCluster();
    const bus = cluster.connect('a');
    const results: AppendResult[] = [];
    let states = 0;
    cluster.stallStream('S', 4_000);
    for (let i = 0; i < 20; i++) append(bus, `${i}`, results);
    bus.state('S', (state) => {
      assert.equal(state, undefined);
      states++;
    });
    clock.run(3_000);
    assert.equal(states, 1);
    assert.deepEqual(
      kinds(results),
      Array.from({ length: 20 }, () => 'undecided'),
    );
    clock.run(5_000);
    const landed = cluster.stream('S')?.lastSequence ?? 0;
    assert.ok(landed > 0 && landed < 20, `${landed} of 20 landed`);
    assert.equal(results.length, 20);
  });
});

/**
 * The bus contract — one list of tests for every implementation of lib/bus/port.ts.
 *
 * A harness brings a cluster with its own time: `until` waits on real time for NATS and moves the
 * virtual clock in memory, so no test sleeps.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AppendResult, StreamConfig } from '#bus';
import { followTests, outageTests } from './bus-follow.contract.ts';
import { type BusHarness, bytes, type Fixture, plain, Probe } from './bus-probe.ts';

export interface ContractOptions {
  /** Copies of the streams. Default 1. */
  readonly replicas?: number;
  /** Leave out what kills and stops the server. */
  readonly withoutOutages?: boolean;
}

export function busContract(
  name: string,
  start: () => Promise<BusHarness>,
  { replicas = 1, withoutOutages = false }: ContractOptions = {},
): void {
  describe(`bus contract: ${name}`, () => {
    let streams = 0;
    let fixture: Fixture;
    before(async () => {
      const harness = await start();
      const bus = await harness.connect('contract');
      const newStream = async (more?: Partial<StreamConfig>): Promise<string> => {
        const stream = `S${++streams}`;
        await bus.ensureStream({ name: stream, subjects: [`${stream}.>`], replicas, ...more });
        if (replicas > 1) await untilReached(new Probe(harness, bus), stream);
        return stream;
      };
      fixture = { harness, bus, probe: new Probe(harness, bus), newStream };
    });
    after(() => fixture.harness.end());
    const use = (): Fixture => fixture;
    coreTests(use);
    appendTests(use);
    readTests(use);
    followTests(use);
    if (!withoutOutages) outageTests(use);
  });
}

/**
 * That a stream listens is known to its leader first, and to the client's server a moment later;
 * until then appends are undecided. This one is refused when it gets through.
 */
async function untilReached(probe: Probe, stream: string): Promise<void> {
  const never = { expectedLastSequence: Number.MAX_SAFE_INTEGER };
  while ((await probe.append(stream, `${stream}.probe`, '', never)).kind !== 'refused') {
    await probe.harness.pass(10);
  }
}

function coreTests(use: () => Fixture): void {
  it('delivers core messages in order, with their reply subject, to wildcards too', async () => {
    const { harness, bus, probe } = use();
    const other = await harness.connect('other');
    const got: string[] = [];
    const removers = ['core.a', 'core.*', 'core.>'].map((filter) =>
      bus.subscribe(filter, ({ subject, payload, reply }) => {
        got.push(`${filter} ${subject} ${payload.toString()} ${reply}`);
      }),
    );
    // An answer on this connection: what was sent before it has arrived.
    await probe.state('none');
    const borrowed = bytes('1');
    assert.equal(other.publish('core.a', borrowed, 'core.back'), true);
    borrowed.fill('x');
    other.publish('core.a', bytes('2'));
    await harness.until(() => got.length === 6);
    for (const filter of ['core.a', 'core.*', 'core.>']) {
      assert.deepEqual(
        got.filter((line) => line.startsWith(`${filter} `)),
        [`${filter} core.a 1 core.back`, `${filter} core.a 2 undefined`],
      );
    }
    for (const remove of removers) remove();
    const removeLast = bus.subscribe('last', () => got.push('last'));
    await probe.state('none');
    other.publish('core.a', bytes('3'));
    other.publish('last', bytes(''));
    await harness.until(() => got.length > 6);
    assert.deepEqual(got.slice(6), ['last']);
    removeLast();
    await other.close();
  });

  it('gives inboxes that carry answers', async () => {
    const { harness, bus } = use();
    const inbox = bus.inbox();
    assert.notEqual(inbox, bus.inbox());
    const got: string[] = [];
    const removeAnswers = bus.subscribe(inbox, ({ payload }) => got.push(payload.toString()));
    const removeService = bus.subscribe('service', ({ payload, reply }) => {
      bus.publish(reply ?? '', Buffer.concat([payload, bytes('!')]));
    });
    bus.publish('service', bytes('hello'), inbox);
    await harness.until(() => got.length === 1);
    assert.deepEqual(got, ['hello!']);
    removeService();
    await harness.pass(50);
    bus.publish('service', bytes('nobody there'), inbox);
    await harness.pass(50);
    assert.deepEqual(got, ['hello!'], 'where nobody listens nothing answers');
    removeAnswers();
  });
}

function appendTests(use: () => Fixture): void {
  it('stores a message id once; a repeat is a duplicate, or refused by its expectation', async () => {
    const { probe, newStream } = use();
    const s = await newStream({ duplicateWindowMs: 30_000 });
    const stored = { kind: 'stored', sequence: 1, duplicate: false };
    const more = { messageId: 'w.1' };
    assert.deepEqual(await probe.append(s, `${s}.a`, 'x', more), stored);
    const duplicate = await probe.append(s, `${s}.b`, 'x', more);
    assert.deepEqual(duplicate, { ...stored, duplicate: true });
    const conditional = { messageId: 'w.2', expectedLastSequence: 1 };
    assert.equal((await probe.append(s, `${s}.a`, 'x', conditional)).kind, 'stored');
    const repeated = await probe.append(s, `${s}.a`, 'x', conditional);
    if (repeated.kind !== 'refused') {
      assert.deepEqual(repeated, { kind: 'stored', sequence: 2, duplicate: true });
    }
    assert.equal((await probe.state(s))?.lastSequence, 2);
  });

  it('compares with the last of the subject and of the stream', async () => {
    const { probe, newStream } = use();
    const s = await newStream();
    const at = (subject: string, more: object): Promise<AppendResult> =>
      probe.append(s, `${s}.${subject}`, 'x', more);
    assert.equal((await at('a', { expectedLastSubjectSequence: 0 })).kind, 'stored');
    assert.equal((await at('a', { expectedLastSubjectSequence: 0 })).kind, 'refused');
    assert.equal((await at('b', { expectedLastSubjectSequence: 0 })).kind, 'stored');
    assert.equal((await at('a', { expectedLastSubjectSequence: 1 })).kind, 'stored');
    assert.equal((await at('a', { expectedLastSequence: 2 })).kind, 'refused');
    assert.equal((await at('a', { expectedLastSequence: 3 })).kind, 'stored');
  });

  it('takes the payload at the call', async () => {
    const { probe, bus, newStream } = use();
    const s = await newStream();
    const payload = bytes('kept');
    const results: AppendResult[] = [];
    bus.append({ stream: s, subject: `${s}.a`, payload }, (result) => results.push(result));
    payload.fill(0);
    await use().harness.until(() => results.length === 1);
    const found = await probe.last(s, `${s}.a`);
    assert.equal(found.kind === 'found' && found.message.payload.toString(), 'kept');
  });

  it('answers in order and keeps up with many at once', async () => {
    const { harness, bus, newStream } = use();
    const s = await newStream();
    const sequences: number[] = [];
    for (let i = 0; i < 500; i++) {
      bus.append({ stream: s, subject: `${s}.a`, payload: bytes(`${i}`) }, (result) => {
        assert.equal(result.kind, 'stored');
        if (result.kind === 'stored') sequences.push(result.sequence);
      });
    }
    await harness.until(() => sequences.length === 500, 10_000);
    assert.deepEqual(
      sequences,
      Array.from({ length: 500 }, (_, i) => i + 1),
    );
  });

  it('refuses what does not fit a full stream, and takes it again after a trim', async () => {
    const { probe, newStream } = use();
    const s = await newStream({ bytesMax: 4_096 });
    const big = 'x'.repeat(1_500);
    assert.equal((await probe.append(s, `${s}.a`, big)).kind, 'stored');
    assert.equal((await probe.append(s, `${s}.a`, big)).kind, 'stored');
    assert.equal((await probe.append(s, `${s}.a`, big)).kind, 'full');
    assert.equal(await probe.trim(s, 2), true);
    assert.equal((await probe.append(s, `${s}.a`, big)).kind, 'stored');
  });

  it('decides nothing where no stream listens, and fails what is too large', async () => {
    const { bus, probe, newStream } = use();
    assert.equal((await probe.append('NONE', 'none.a', 'x')).kind, 'undecided');
    const s = await newStream();
    const tooLarge = 'x'.repeat(bus.payloadBytesMax + 1);
    assert.equal((await probe.append(s, `${s}.a`, tooLarge)).kind, 'failed');
  });
}

function readTests(use: () => Fixture): void {
  it('keeps the last per subject, and shows deletion markers', async () => {
    const { probe, newStream } = use();
    const s = await newStream({ messagesPerSubjectMax: 1 });
    await probe.append(s, `${s}.a`, 'old');
    await probe.append(s, `${s}.b`, 'b');
    await probe.append(s, `${s}.a`, 'new');
    const found = await probe.last(s, `${s}.a`);
    assert.ok(found.kind === 'found');
    const subject = `${s}.a`;
    const expected = { subject, sequence: 3, payload: 'new', deleted: false };
    assert.deepEqual(plain(found.message), expected);
    assert.ok(found.message.storedAtMs > 1_600_000_000_000);
    assert.equal((await probe.get(s, 1)).kind, 'absent');
    assert.equal((await probe.last(s, `${s}.none`)).kind, 'absent');
    const more = { deletes: true, expectedLastSubjectSequence: 3 };
    assert.equal((await probe.append(s, `${s}.a`, '', more)).kind, 'stored');
    const marker = await probe.last(s, `${s}.a`);
    assert.ok(marker.kind === 'found');
    assert.deepEqual(plain(marker.message), { subject, sequence: 4, payload: '', deleted: true });
  });

  for (const allowDirect of [false, true]) {
    it(`gets by sequence ${allowDirect ? 'from any replica' : 'from the leader'}`, async () => {
      const { probe, newStream } = use();
      const s = await newStream({ allowDirect });
      await probe.append(s, `${s}.a`, 'one', { messageId: 'id' });
      const found = await probe.get(s, 1);
      assert.ok(found.kind === 'found');
      const subject = `${s}.a`;
      assert.deepEqual(plain(found.message), {
        subject,
        sequence: 1,
        payload: 'one',
        deleted: false,
      });
      assert.equal((await probe.get(s, 2)).kind, 'absent');
    });
  }

  it('tells and trims what is stored; the sequence goes on after everything is trimmed', async () => {
    const { probe, newStream } = use();
    const s = await newStream();
    const seen = async (): Promise<number[]> => {
      const state = await probe.state(s);
      return [state?.firstSequence ?? -1, state?.lastSequence ?? -1, state?.messages ?? -1];
    };
    assert.deepEqual(await seen(), [1, 0, 0]);
    for (let i = 0; i < 4; i++) await probe.append(s, `${s}.a`, 'x');
    assert.deepEqual(await seen(), [1, 4, 4]);
    assert.equal(await probe.trim(s, 0), true);
    assert.equal(await probe.trim(s, 3), true);
    assert.equal(await probe.trim(s, 2), true);
    assert.deepEqual(await seen(), [3, 4, 2]);
    assert.equal(await probe.trim(s, 5), true);
    assert.deepEqual(await seen(), [5, 4, 0]);
    const next = await probe.append(s, `${s}.a`, 'x');
    assert.deepEqual(next, { kind: 'stored', sequence: 5, duplicate: false });
    assert.equal(await probe.state('NONE'), undefined);
  });

  it('may be set up twice, and takes a changed configuration', async () => {
    const { bus, probe, newStream } = use();
    const s = await newStream({ bytesMax: 1_024 });
    await probe.append(s, `${s}.a`, 'x'.repeat(800));
    assert.equal((await probe.append(s, `${s}.a`, 'x'.repeat(800))).kind, 'full');
    await bus.ensureStream({ name: s, subjects: [`${s}.>`], replicas: 1, bytesMax: 0 });
    assert.equal((await probe.append(s, `${s}.a`, 'x'.repeat(800))).kind, 'stored');
  });
}

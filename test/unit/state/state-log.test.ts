/**
 * The state log on a real nats-server: fence, recovery, copy-forward, gaps.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#base';
import { type Bus, connectNats } from '#bus';
import { StateLog, type StateProgress, stateStream, stateStreamConfig } from '#state';
import { startNatsServer, type TestNatsServer } from '../../fixtures/nats-server.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

const TABLE = 7;

let server: TestNatsServer;
let bus: Bus;
let groups = 0;

before(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url, name: 'state test' });
});

after(async () => {
  await bus.close();
  await server.stop();
});

/** A group nobody else uses, with its stream. */
async function newGroup(): Promise<string> {
  const group = `g${++groups}`;
  await bus.ensureStream(stateStreamConfig(group, 0, 1));
  return group;
}

interface Owner {
  readonly log: StateLog;
  fenced: boolean;
  progress: StateProgress;
}

function recover(group: string, epoch: number, cacheBytesMax?: number): Promise<Owner> {
  return new Promise((resolve) => {
    const owner: { log?: StateLog; fenced: boolean; progress: StateProgress } = {
      fenced: false,
      progress: { checkpoint: 0, decided: 0, skippedRecords: [] },
    };
    const onFenced = (): void => {
      owner.fenced = true;
    };
    const options = { bus, clock: systemClock, group, partition: 0, epoch, onFenced };
    const cache = cacheBytesMax === undefined ? {} : { cacheBytesMax };
    StateLog.recover({ ...options, ...cache }, (log) => {
      owner.log = log;
      owner.progress = log.recovered;
      log.begin(() => owner.progress);
      resolve(owner as Owner);
    });
  });
}

const flush = (log: StateLog): Promise<void> => new Promise((resolve) => log.flush(resolve));
const durable = (log: StateLog): Promise<void> =>
  new Promise((resolve) => log.whenDurable(resolve));
const get = (log: StateLog, key: string): Promise<string | undefined> =>
  new Promise((resolve) => log.get(TABLE, key, (value) => resolve(value?.toString())));

async function contentOf(log: StateLog): Promise<Map<string, string | undefined>> {
  const content = new Map<string, string | undefined>();
  for (const key of [...log.keys(TABLE)].toSorted()) content.set(key, await get(log, key));
  return content;
}

describe('state log', () => {
  test('a successor finds entries and progress as they were written', async () => {
    const group = await newGroup();
    const one = await recover(group, 10);
    one.log.put(TABLE, 'a', Buffer.from('1'));
    one.log.put(TABLE, 'b', Buffer.from('2'));
    one.log.put(TABLE, 'ä/ö', Buffer.from('3'));
    one.log.delete(TABLE, 'b');
    one.progress = { checkpoint: 5, decided: 9, skippedRecords: [8] };
    assert.equal(await get(one.log, 'a'), '1', 'read before it is stored');
    await flush(one.log);
    one.log.close();
    const two = await recover(group, 20);
    assert.deepEqual(two.log.recovered, one.progress);
    assert.deepEqual(
      await contentOf(two.log),
      new Map([
        ['a', '1'],
        ['ä/ö', '3'],
      ]),
    );
    two.log.close();
  });

  test('the predecessor is fenced by the mark: its writes are refused and it stops', async () => {
    const group = await newGroup();
    const one = await recover(group, 10);
    one.log.put(TABLE, 'a', Buffer.from('old'));
    await durable(one.log);
    const two = await recover(group, 20);
    one.log.put(TABLE, 'a', Buffer.from('zombie'));
    await waitFor(() => one.fenced);
    two.log.put(TABLE, 'b', Buffer.from('new'));
    await durable(two.log);
    assert.equal(await get(two.log, 'a'), 'old');
    two.log.close();
    const three = await recover(group, 30);
    assert.deepEqual(
      await contentOf(three.log),
      new Map([
        ['a', 'old'],
        ['b', 'new'],
      ]),
    );
    three.log.close();
  });

  test('an old owner that comes late does not fence a newer one', async () => {
    const group = await newGroup();
    const two = await recover(group, 20);
    let fenced = false;
    const onFenced = (): void => {
      fenced = true;
    };
    const options = { bus, clock: systemClock, group, partition: 0, epoch: 10, onFenced };
    StateLog.recover(options, () => assert.fail('recovered'));
    await waitFor(() => fenced);
    two.log.put(TABLE, 'a', Buffer.from('1'));
    await durable(two.log);
    assert.equal(two.fenced, false);
    two.log.close();
  });

  test('a batch larger than a record takes effect whole', async () => {
    const group = await newGroup();
    const one = await recover(group, 10);
    const value = Buffer.alloc(100_000, 1);
    for (let i = 0; i < 10; i++) one.log.put(TABLE, `k${i}`, value);
    await durable(one.log);
    assert.ok(one.log.recordsWritten >= 4, `${one.log.recordsWritten} records`);
    one.log.close();
    const two = await recover(group, 20, 0);
    assert.equal(two.log.count(TABLE), 10);
    assert.equal((await get(two.log, 'k9'))?.length, value.length);
    two.log.close();
  });

  test('the log stays below three times its live content and keeps every live value', async () => {
    const group = await newGroup();
    const one = await recover(group, 10, 0);
    const expected = new Map<string, string>();
    let decided = 0;
    const put = (key: string, text: string): void => {
      expected.set(key, text);
      one.log.put(TABLE, key, Buffer.from(text));
    };
    for (let i = 0; i < 300; i++) put(`still${i}`, `${i}`.padEnd(2_000, 'x'));
    await durable(one.log);
    let worst = 0;
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 20; i++) put(`hot${i}`, `${round}`.padEnd(2_000, 'y'));
      one.progress = { ...one.progress, checkpoint: ++decided, decided };
      await durable(one.log);
      worst = Math.max(worst, one.log.totalBytes - 3 * one.log.liveBytes);
    }
    assert.ok(one.log.recordsTrimmed > 0, 'nothing was trimmed');
    assert.ok(one.log.bytesCopied > 0, 'nothing was copied forward');
    assert.ok(worst < 1024 * 1024, `${worst} bytes over the bound`);
    for (const key of [...expected.keys()]) {
      if (key.startsWith('still') && !key.endsWith('7')) {
        expected.delete(key);
        one.log.delete(TABLE, key);
      }
    }
    await durable(one.log);
    await waitFor(() => one.log.totalBytes < 3 * one.log.liveBytes + 1024 * 1024);
    await flush(one.log);
    one.log.close();
    const two = await recover(group, 20);
    assert.deepEqual(await contentOf(two.log), new Map([...expected].toSorted()));
    assert.equal(two.log.recovered.decided, decided);
    two.log.close();
  });

  test('progress alone is written a few times a second and survives every trim', async () => {
    const group = await newGroup();
    const one = await recover(group, 10);
    const start = performance.now();
    let position = 0;
    while (performance.now() - start < 700) {
      position++;
      one.progress = { ...one.progress, checkpoint: position, decided: position };
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(one.log.recordsWritten <= 4, `${one.log.recordsWritten} records`);
    await waitFor(() => one.log.durableCheckpoint === position);
    one.log.close();
    const two = await recover(group, 20);
    assert.equal(two.log.recovered.checkpoint, position);
    two.log.close();
  });

  test('an outage in the middle of a write loses and doubles nothing', async () => {
    const group = await newGroup();
    const one = await recover(group, 10);
    one.log.put(TABLE, 'a', Buffer.from('1'));
    await durable(one.log);
    await server.kill();
    one.log.put(TABLE, 'a', Buffer.from('2'));
    one.log.put(TABLE, 'b', Buffer.from('3'));
    const done = durable(one.log);
    await waitFor(() => one.log.unansweredMs > 50);
    await server.restart();
    await done;
    assert.equal(one.fenced, false);
    one.log.close();
    const two = await recover(group, 20);
    assert.deepEqual(
      await contentOf(two.log),
      new Map([
        ['a', '2'],
        ['b', '3'],
      ]),
    );
    two.log.close();
    const state = await new Promise<number | undefined>((resolve) => {
      bus.state(stateStream(group, 0), (s) => resolve(s?.messages));
    });
    assert.equal(state, 4, 'mark, first, second, mark');
  });
});

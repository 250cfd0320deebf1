/** The bus contract, second half: followers, and what an outage does and does not do. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AppendResult } from '#bus';
import { bytes, type Fixture, Followed } from './bus-probe.ts';

export function followTests(use: () => Fixture): void {
  it('follows from a sequence, says once when it has caught up, then goes on', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream();
    for (let i = 0; i < 3; i++) await probe.append(s, `${s}.a`, 'x');
    const followed = new Followed(bus, s, 2);
    assert.deepEqual(followed.events, []);
    await harness.until(() => followed.events.includes('caught up 3'));
    await probe.append(s, `${s}.a`, 'x');
    await harness.until(() => followed.sequences.length === 3);
    assert.deepEqual(followed.events, ['2', '3', 'caught up 3', '4']);
    followed.follower.close();
    followed.follower.close();
    await probe.append(s, `${s}.a`, 'x');
    const other = new Followed(bus, s, 5);
    await harness.until(() => other.sequences.length === 1);
    assert.equal(followed.events.length, 4);
    other.follower.close();
  });

  it('has caught up at once where nothing is stored or wanted', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream();
    const empty = new Followed(bus, s, 1);
    await harness.until(() => empty.events.includes('caught up 0'));
    await probe.append(s, `${s}.a`, 'x');
    const ahead = new Followed(bus, s, 2);
    await harness.until(() => ahead.events.includes('caught up 1'));
    const other = new Followed(bus, s, 1, `${s}.b`);
    await harness.until(() => other.events.includes('caught up 1'));
    await probe.append(s, `${s}.b`, 'x');
    await harness.until(() => [empty, ahead, other].every((f) => f.events.at(-1) === '2'));
    assert.deepEqual(other.events, ['caught up 1', '2']);
    for (const followed of [empty, ahead, other]) followed.follower.close();
  });

  it('names the gap where the wanted sequence was trimmed before the start', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream();
    for (let i = 0; i < 5; i++) await probe.append(s, `${s}.a`, 'x');
    await probe.trim(s, 4);
    const followed = new Followed(bus, s, 2);
    await harness.until(() => followed.events.length === 4);
    assert.deepEqual(followed.events, ['gap 4', '4', '5', 'caught up 5']);
    followed.follower.close();
  });

  it('stops within its window while paused, and names what is trimmed meanwhile', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream();
    const followed = new Followed(bus, s, 1);
    await harness.until(() => followed.events.length === 1);
    followed.follower.pause();
    const payload = Buffer.alloc(900_000);
    for (let sequence = 1; sequence <= 16; sequence++) {
      const request = { stream: s, subject: `${s}.a`, payload };
      const result = await probe.ask<AppendResult>((on) => bus.append(request, on));
      assert.equal(result.kind, 'stored');
    }
    // For what should not come: nothing says that it does not.
    await harness.pass(100);
    const arrived = followed.sequences.length;
    assert.ok(arrived < 8, `${arrived} of 16 messages came while paused`);
    await probe.trim(s, 15);
    followed.follower.resume();
    await harness.until(() => followed.sequences.at(-1) === 16, 10_000);
    const events = followed.events.filter((event) => !event.startsWith('caught up'));
    // A replica may have sent a few more of its window until the trim reached it.
    const before = events.indexOf('gap 15');
    assert.ok(before >= arrived && before < 12, `${before} of 16 came before the gap`);
    const expected = Array.from({ length: before }, (_, i) => `${i + 1}`);
    assert.deepEqual(events, [...expected, 'gap 15', '15', '16']);
    followed.follower.close();
  });

  it('takes holes of overwritten subjects for no gap', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream({ messagesPerSubjectMax: 1 });
    for (const subject of ['a', 'b', 'b', 'c', 'c']) await probe.append(s, `${s}.${subject}`, 'x');
    const followed = new Followed(bus, s, 1);
    await harness.until(() => followed.events.length === 4);
    assert.deepEqual(followed.events, ['1', '3', '5', 'caught up 5']);
    followed.follower.close();
  });
}

export function outageTests(use: () => Fixture): void {
  it('buffers nothing over a crash; subscriptions and followers go on after it', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream();
    for (let i = 0; i < 3; i++) await probe.append(s, `${s}.a`, 'x');
    const followed = new Followed(bus, s, 1);
    const got: string[] = [];
    const remove = bus.subscribe('outage', ({ payload }) => got.push(payload.toString()));
    const changes: boolean[] = [];
    const removeListener = bus.onConnection((connected) => changes.push(connected));
    await harness.until(() => followed.events.length === 4);
    await harness.crash();
    await harness.until(() => !bus.connected, 5_000);
    assert.equal(bus.publish('outage', bytes('lost')), false);
    assert.equal((await probe.append(s, `${s}.a`, 'lost')).kind, 'undecided');
    assert.equal((await probe.last(s, `${s}.a`)).kind, 'undecided');
    assert.equal(await probe.state(s), undefined);
    assert.equal(await probe.trim(s, 2), false);
    await harness.recover();
    await harness.until(() => bus.connected, 10_000);
    assert.deepEqual(changes, [false, true]);
    bus.publish('outage', bytes('kept'));
    const stored = await probe.append(s, `${s}.a`, 'x');
    assert.deepEqual(stored, { kind: 'stored', sequence: 4, duplicate: false });
    await harness.until(() => followed.sequences.length === 4 && got.length === 1);
    assert.deepEqual(followed.sequences, [1, 2, 3, 4]);
    assert.deepEqual(got, ['kept']);
    removeListener();
    remove();
    followed.follower.close();
  });

  it('notices a server that stands still within 4 s, and ends what waits', async () => {
    const { harness, bus, probe, newStream } = use();
    const s = await newStream();
    await probe.append(s, `${s}.a`, '0');
    const followed = new Followed(bus, s, 1);
    await harness.until(() => followed.events.length === 2);
    await harness.stand();
    const results: AppendResult[] = [];
    const send = (timeoutMs: number): void => {
      const request = { stream: s, subject: `${s}.a`, payload: bytes('1'), timeoutMs };
      bus.append({ ...request, messageId: 'once' }, (result) => results.push(result));
    };
    send(300);
    await harness.until(() => results.length === 1, 1_000);
    assert.equal(bus.connected, true, 'a time-out alone is no loss');
    send(60_000);
    await harness.until(() => !bus.connected, 4_000);
    assert.deepEqual(
      results.map((result) => result.kind),
      ['undecided', 'undecided'],
    );
    harness.go();
    await harness.until(() => bus.connected, 10_000);
    const repeated = await probe.append(s, `${s}.a`, '1', { messageId: 'once' });
    assert.ok(repeated.kind === 'stored');
    assert.equal(repeated.sequence, 2);
    await harness.until(() => followed.sequences.at(-1) === 2);
    assert.deepEqual(followed.sequences, [1, 2]);
    followed.follower.close();
  });

  it('loses or repeats nothing for a follower through crashes under load', async () => {
    const { harness, bus, newStream } = use();
    const s = await newStream({ duplicateWindowMs: 60_000 });
    const followed = new Followed(bus, s, 1);
    const count = 300;
    let stored = 0;
    const send = (number: number): void => {
      const request = { stream: s, subject: `${s}.a`, payload: bytes(`${number}`) };
      bus.append({ ...request, messageId: `m.${number}` }, (result) => {
        if (result.kind !== 'stored') send(number);
        else if (++stored < count) send(stored);
      });
    };
    send(0);
    for (const at of [60, 150]) {
      await harness.until(() => stored >= at, 10_000);
      await harness.crash();
      await harness.recover();
    }
    await harness.until(() => followed.sequences.at(-1) === count, 10_000);
    assert.deepEqual(
      followed.sequences,
      Array.from({ length: count }, (_, i) => i + 1),
    );
    followed.follower.close();
  });

  it('may be closed twice', async () => {
    const { harness } = use();
    const bus = await harness.connect('short');
    await bus.close();
    await bus.close();
    assert.equal(bus.connected, false);
    assert.equal(bus.publish('a', bytes('x')), false);
  });
}

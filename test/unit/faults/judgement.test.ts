/** Each promise, broken once by hand: a judgement that finds nothing proves nothing. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { judge } from '../../faults/judgement.ts';
import { Ledger } from '../../faults/ledger.ts';
import type { Publication } from '../../faults/ledger.ts';
import { Life } from '../../faults/life.ts';
import type { Arrival, LifeKind } from '../../faults/life.ts';

const TOPIC = 'f/live/1';

interface Stage {
  readonly ledger: Ledger;
  readonly life: Life;
  /** Sent, with its PUBACK. */
  publish(qos?: 0 | 1 | 2): Publication;
  deliver(publication: Publication, more?: Partial<Arrival>): void;
  /** What is broken, in the order found. */
  broken(calm?: boolean): string[];
}

function stage(kind: LifeKind, qos: 0 | 1 | 2 = 1): Stage {
  const ledger = new Ledger('f');
  const life = new Life({ kind, name: 'one', filter: 'f/live/#', qos, ledger });
  life.begin();
  // Two entries in one turn may have one and the same time.
  life.sinceMs -= 1;
  return {
    ledger,
    life,
    publish(ofQos = 1) {
      const publication = ledger.add({ publisher: 'p', topic: TOPIC, qos: ofQos });
      ledger.settle(publication, ofQos === 0 ? 'unsure' : 'acknowledged');
      return publication;
    },
    deliver(publication, more = {}) {
      const content = ledger.content(publication);
      const terms = { qos: Math.min(publication.qos, qos), dup: false, retain: false };
      life.take({ topic: publication.topic, content, ...terms, ...more });
    },
    broken: (calm = false) => judge(life, { calm }).broken.map(({ what }) => what),
  };
}

suite('judgement of a subscriber', () => {
  test('finds nothing where all came once and in order', () => {
    const { publish, deliver, broken, life } = stage('stored');
    for (let i = 0; i < 10; i++) deliver(publish());
    assert.deepEqual(broken(true), []);
    assert.equal(judge(life, { calm: true }).entitled, 10);
  });

  test('finds an acknowledged message that is not there', () => {
    for (const kind of ['clean', 'stored', 'group', 'webhook'] as const) {
      const { publish, deliver, broken } = stage(kind);
      deliver(publish());
      publish();
      deliver(publish());
      assert.deepEqual(broken(), ['lost'], kind);
    }
  });

  test('finds an arrival that is taken out of a whole ledger', () => {
    const { publish, deliver, broken, life } = stage('stored');
    const all = Array.from({ length: 5 }, () => publish());
    for (const publication of all) deliver(publication);
    const [, second] = all;
    if (second !== undefined) life.counts.delete(second);
    assert.deepEqual(broken(), ['lost']);
  });

  test('owes nothing from before SUBACK, open, or refused', () => {
    const { ledger, life, broken, publish, deliver } = stage('stored');
    const early = publish();
    early.sentMs = life.sinceMs - 1;
    ledger.add({ publisher: 'p', topic: TOPIC, qos: 1 });
    ledger.settle(ledger.add({ publisher: 'p', topic: TOPIC, qos: 1 }), 'refused');
    deliver(publish());
    assert.deepEqual(broken(), []);
  });

  test('owes a clean session that ended what is before its last arrival, and no more', () => {
    const whole = stage('clean');
    whole.deliver(whole.publish());
    whole.life.end();
    whole.publish();
    assert.deepEqual(whole.broken(), []);
    const gap = stage('clean');
    gap.publish();
    gap.deliver(gap.publish());
    gap.life.endMs = Infinity;
    gap.life.end();
    gap.life.endMs += 1;
    assert.deepEqual(gap.broken(), ['lost']);
  });

  test('finds first arrivals in another order than published', () => {
    const { publish, deliver, broken } = stage('stored');
    const [first, second] = [publish(), publish()];
    deliver(second);
    deliver(first);
    assert.deepEqual(broken(), ['order']);
  });

  test('allows one more arrival for each time that it was published again', () => {
    const { publish, deliver, broken } = stage('clean');
    const publication = publish();
    publication.repeats = 1;
    deliver(publication);
    deliver(publication);
    assert.deepEqual(broken(true), []);
    deliver(publication);
    assert.deepEqual(broken(), ['twice']);
  });

  test('allows no double at QoS 2, and at stored QoS 1 only after a fault or with DUP', () => {
    const exact = stage('stored', 2);
    const one = exact.publish(2);
    exact.deliver(one);
    exact.deliver(one, { dup: true });
    assert.deepEqual(exact.broken(), ['twice']);
    const least = stage('stored', 1);
    const other = least.publish();
    least.deliver(other);
    least.deliver(other);
    assert.deepEqual(least.broken(), []);
    assert.deepEqual(least.broken(true), ['without DUP']);
    const again = stage('stored', 1);
    const third = again.publish();
    again.deliver(third);
    again.deliver(third, { dup: true });
    assert.deepEqual(again.broken(true), []);
  });

  test('finds what was refused or taken back, and what nobody published', () => {
    const { ledger, deliver, broken, life } = stage('stored');
    const will = ledger.add({ kind: 'will', publisher: 'w', topic: 'f/live/will', qos: 1 });
    ledger.settle(will, 'refused');
    deliver(will);
    life.take({ topic: TOPIC, content: 'f-p99', qos: 1, dup: false, retain: false });
    assert.deepEqual(broken(), ['unknown', 'refused']);
  });

  test('finds a will that does not come, and one that comes twice', () => {
    for (const times of [0, 1, 2]) {
      const { ledger, deliver, broken } = stage('clean');
      const will = ledger.add({ kind: 'will', publisher: 'w', topic: 'f/live/will', qos: 1 });
      ledger.settle(will, 'acknowledged');
      for (let i = 0; i < times; i++) deliver(will);
      assert.deepEqual(broken(), [['lost'], [], ['twice']][times]);
    }
  });

  test('finds a wrong QoS, RETAIN on a live message, and DUP in a clean session', () => {
    for (const wrong of [{ qos: 0 }, { retain: true }, { dup: true }]) {
      const { publish, deliver, broken } = stage('clean');
      deliver(publish(), wrong);
      assert.deepEqual(broken(), ['terms']);
    }
  });

  test('owes QoS 0 in a calm run only, and to who is always there', () => {
    const { publish, broken } = stage('clean', 0);
    publish(0);
    assert.deepEqual(broken(false), []);
    assert.deepEqual(broken(true), ['lost']);
    const away = stage('stored');
    away.publish(0);
    assert.deepEqual(away.broken(true), []);
  });
});

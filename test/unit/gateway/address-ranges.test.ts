import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { after, before, test } from 'node:test';
import { AddressRanges } from '../../../services/gateway/address-ranges.ts';
import type { ListenerPlan } from '../../../services/gateway/listener-plan.ts';
import { PLAIN, startEdge } from '../../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../../fixtures/edge-under-test.ts';
import { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge();
});
after(() => edge.close());

async function listen(more: Partial<ListenerPlan>): Promise<number> {
  return (await edge.edge.listen({ ...PLAIN, ...more })).port;
}

async function isRefused(port: number, host = '127.0.0.1'): Promise<void> {
  const socket = connectTcp(port, host);
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

test('an address is in a range, whatever its form', () => {
  const ranges = new AddressRanges('10.0.0.0/8, 2001:db8::/32,192.0.2.7,::1', 'X');
  for (const address of [
    '10.1.2.3',
    '::ffff:10.1.2.3',
    '2001:db8:1::1',
    '192.0.2.7',
    '::1',
    '0:0:0:0:0:0:0:1',
  ]) {
    assert.ok(ranges.has(address), address);
  }
  for (const address of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::2', 'fe80::1%eth0', '', 'x']) {
    assert.ok(!ranges.has(address), address);
  }
  assert.ok(!ranges.has(undefined));
  assert.ok(new AddressRanges('0.0.0.0/0', 'X').has('1.2.3.4'));
  assert.ok(!new AddressRanges('0.0.0.0/0', 'X').has('::1'));
});

test('an entry that is none is named with its variable', () => {
  for (const entry of ['10.0.0.0/33', '10.0.0', '10', 'localhost', '10.0.0.1-10.0.0.9', '']) {
    assert.throws(() => new AddressRanges(`::1,${entry}`, 'WEIR_X'), /WEIR_X: .*is no address/);
  }
});

test('addresses outside the ranges of a listener are refused by name', async () => {
  const closed = await listen({ allowedFrom: new AddressRanges('10.0.0.0/8', 'X') });
  await isRefused(closed);
  assert.equal(edge.edge.metrics.ended.source_not_allowed, 1);
  const open = await listen({ allowedFrom: new AddressRanges('127.0.0.1', 'X') });
  (await MqttProbe.connected({ port: open })).destroy();
});

test('a listener on both kinds of address knows IPv4 clients as such', async () => {
  const allowedFrom = new AddressRanges('127.0.0.0/8', 'X');
  const port = await listen({ host: '::', allowedFrom });
  (await MqttProbe.connected({ port })).destroy();
  const before = edge.edge.metrics.ended.source_not_allowed;
  await isRefused(port, '::1');
  assert.equal(edge.edge.metrics.ended.source_not_allowed, before + 1);
});

test('a full listener refuses by name; others go on, and a place that is free is taken', async () => {
  const { metrics } = edge.edge;
  const port = await listen({ connectionCountMax: 2 });
  const other = await listen({});
  const first = await MqttProbe.connected({ port, clientIdentifier: 'one' });
  const second = await MqttProbe.connected({ port, clientIdentifier: 'two' });
  await isRefused(port);
  assert.equal(metrics.ended.listener_full, 1);
  (await MqttProbe.connected({ port: other, clientIdentifier: 'other' })).destroy();
  const openCount = metrics.connectionsOpen;
  first.destroy();
  await waitFor(() => metrics.connectionsOpen < openCount);
  (await MqttProbe.connected({ port, clientIdentifier: 'three' })).destroy();
  second.destroy();
});

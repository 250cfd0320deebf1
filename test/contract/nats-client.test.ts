/**
 * The bus beside the NATS project's own client on one server: what one says, the other hears, with
 * headers and reply; and servers that want users, forbid subjects or speak TLS.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect, headers, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { type AppendResult, type Bus, type BusMessage, connectNats, type GetResult } from '#bus';
import { makeCertificate } from '../fixtures/certificates.ts';
import { startNatsServer, type TestNatsServer } from '../fixtures/nats-server.ts';
import { waitFor } from '../fixtures/wait-for.ts';

/** Some are empty, some span many reads. */
const SIZES = [0, 1, 100, 4_096, 70_000, 1_000_000];

const numbered = (size: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7) % 251));

describe('beside the NATS client', () => {
  let server: TestNatsServer;
  let bus: Bus;
  let client: NatsConnection;
  before(async () => {
    server = await startNatsServer();
    bus = await connectNats({ servers: server.url, name: 'ours' });
    client = await connect({ servers: server.url });
    await bus.ensureStream({ name: 'S', subjects: ['S.>'], replicas: 1 });
  });
  after(async () => {
    await client.close();
    await bus.close();
    await server.stop();
  });

  test('the bus hears what the client publishes', async () => {
    const got: BusMessage[] = [];
    const remove = bus.subscribe('from.client.*', (message) => got.push(message));
    // Behind the SUB on the same connection: heard means subscribed.
    bus.publish('from.client.first', Buffer.alloc(0));
    await waitFor(() => got.length === 1);
    got.length = 0;
    const block = headers();
    block.set('A', 'b');
    for (const size of SIZES) {
      client.publish(`from.client.${size}`, numbered(size), { reply: 'back' });
      client.publish('from.client.é', numbered(size), { headers: block });
    }
    await waitFor(() => got.length === 2 * SIZES.length);
    remove();
    for (const [index, size] of SIZES.entries()) {
      const [plain, withHeader] = [got[2 * index], got[2 * index + 1]];
      assert.deepEqual([plain?.subject, plain?.reply], [`from.client.${size}`, 'back']);
      assert.deepEqual([withHeader?.subject, withHeader?.reply], ['from.client.é', undefined]);
      assert.ok(plain?.payload.equals(numbered(size)), `${size}`);
      assert.ok(withHeader?.payload.equals(numbered(size)), `${size} with header`);
    }
  });

  test('the client hears what the bus publishes and appends', async () => {
    const got: Msg[] = [];
    const onMessage = (error: Error | null, message: Msg): void => {
      if (error === null) got.push(message);
    };
    client.subscribe('from.bus', { callback: onMessage });
    client.subscribe('S.>', { callback: onMessage });
    await client.flush();
    const results: AppendResult[] = [];
    for (const size of SIZES) {
      const payload = numbered(size);
      bus.publish('from.bus', payload, 'back');
      bus.append({ stream: 'S', subject: 'S.a', payload, messageId: `m.${size}` }, (result) =>
        results.push(result),
      );
      payload.fill(255);
    }
    await waitFor(() => got.length === 2 * SIZES.length && results.length === SIZES.length);
    assert.ok(results.every(({ kind }) => kind === 'stored'));
    const published = got.filter(({ subject }) => subject === 'from.bus');
    const appended = got.filter(({ subject }) => subject === 'S.a');
    for (const [index, size] of SIZES.entries()) {
      assert.equal(published[index]?.reply, 'back');
      assert.equal(published[index]?.headers, undefined);
      assert.ok(numbered(size).equals(published[index]?.data ?? Buffer.of()), `${size}`);
      assert.equal(appended[index]?.headers?.get('Nats-Msg-Id'), `m.${size}`);
      assert.ok(numbered(size).equals(appended[index]?.data ?? Buffer.of()), `${size} appended`);
    }
  });

  test('the bus reads the header of a stored message', async () => {
    const block = headers();
    block.set('KV-Operation', 'DEL');
    await client.request('S.deleted', '', { headers: block, timeout: 5_000 });
    let result: GetResult | undefined;
    bus.lastOnSubject('S', 'S.deleted', (got) => {
      result = got;
    });
    await waitFor(() => result !== undefined);
    assert.equal(result?.kind === 'found' && result.message.deleted, true);
  });

  test('each answers the other', async () => {
    const remove = bus.subscribe('ask.bus', ({ payload, reply }) => {
      bus.publish(reply ?? '', Buffer.concat([payload, Buffer.from('!')]));
    });
    client.subscribe('ask.client', {
      callback: (_, message) => void message.respond(`${message.string()}?`),
    });
    await client.flush();
    const answer = await waitFor(() =>
      client.request('ask.bus', 'hello', { timeout: 500 }).catch(() => undefined),
    );
    assert.equal(answer.string(), 'hello!');
    const inbox = bus.inbox();
    let heard = '';
    bus.subscribe(inbox, ({ payload }) => {
      heard = payload.toString();
    });
    bus.publish('ask.client', Buffer.from('hello'), inbox);
    await waitFor(() => heard === 'hello?');
    remove();
  });
});

describe('a server with users', () => {
  test('refuses a wrong password, and tells what it forbids', async () => {
    const server = await startNatsServer({
      configuration: `authorization { users: [
        { user: "weir", password: "s/cret", permissions: { publish: { deny: "no.>" } } }
      ] }`,
    });
    const troubles: string[] = [];
    const at = (credentials: string): string => server.url.replace('//', `//${credentials}@`);
    const wrong = { servers: at('weir:wrong'), name: 'wrong', firstConnectMsMax: 300 };
    await assert.rejects(connectNats(wrong), (error: Error) => {
      assert.match(error.message, /Authorization Violation/);
      assert.doesNotMatch(error.message, /wrong@|weir/);
      return true;
    });
    const onTrouble = (text: string): void => void troubles.push(text);
    const bus = await connectNats({ servers: at('weir:s%2Fcret'), name: 'right', onTrouble });
    bus.publish('no.way', Buffer.alloc(0));
    await waitFor(() => troubles.length === 1);
    assert.match(troubles[0] ?? '', /Permissions Violation for Publish to "no.way"/);
    assert.equal(bus.connected, true);
    await bus.close();
    await server.stop();
  });
});

describe('a server with TLS', () => {
  test('is spoken to in TLS, and only if it is who it should be', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-nats-tls-'));
    const ca = await makeCertificate({ commonName: 'CA', authority: true });
    const own = await makeCertificate({
      commonName: 'nats',
      issuer: ca,
      alternativeNames: [{ type: 'ip', value: '127.0.0.1' }],
    });
    writeFileSync(join(directory, 'cert.pem'), own.pem);
    writeFileSync(join(directory, 'key.pem'), own.keyPem);
    const server = await startNatsServer({
      configuration: `tls { cert_file: ${JSON.stringify(join(directory, 'cert.pem'))}
        key_file: ${JSON.stringify(join(directory, 'key.pem'))} }`,
    });
    await assert.rejects(
      connectNats({ servers: server.url, name: 'stranger', firstConnectMsMax: 300 }),
      /certificate/,
    );
    for (const servers of [server.url, server.url.replace('nats:', 'tls:')]) {
      const bus = await connectNats({ servers, name: 'friend', tls: { ca: ca.pem } });
      let heard: Buffer | undefined;
      bus.subscribe('a', ({ payload }) => {
        heard = payload;
      });
      bus.publish('a', numbered(600_000));
      await waitFor(() => heard !== undefined);
      assert.ok(heard?.equals(numbered(600_000)));
      await bus.close();
    }
    await server.stop();
    rmSync(directory, { recursive: true });
  });
});

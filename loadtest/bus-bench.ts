/**
 * Bus bench — what the bus costs: appends, following and core messages against a real server.
 *
 * Run:    node loadtest/bus-bench.ts [--sync]      (--sync: fsync before each acknowledgement)
 * Prints: machine and versions, then per row the rate, wall and CPU µs of this process per item.
 */
import { cpus, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { type AppendResult, type Bus, connectNats } from '#bus';
import { measureFsyncRate } from '../services/cli/dev/fsync-rate.ts';
import { startNatsServer } from '../test/fixtures/nats-server.ts';

const STREAM = 'BENCH';
/** A record of one small message, and of 64 of them. */
const RECORD_BYTES = [128, 64 * 140] as const;
const REPLAY_RECORD_BYTES = 200_000;
const REPLAY_RECORDS = 1_500;

async function measure(name: string, items: number, run: () => Promise<void>): Promise<number> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await run();
  const wallMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  const rate = Math.round((items * 1_000) / wallMs).toLocaleString('en');
  const wall = ((wallMs * 1_000) / items).toFixed(2);
  const own = ((user + system) / items).toFixed(2);
  console.log(`${name.padEnd(52)} ${rate.padStart(9)}/s  ${wall.padStart(8)} µs  CPU ${own} µs`);
  return wallMs;
}

/** A slow disk with a thousand records before it. */
const TIMEOUT_MS = 60_000;

interface Load {
  readonly count: number;
  readonly bytes: number;
  /** Appends under way at once. */
  readonly window: number;
  readonly withId: boolean;
}

let run = 0;
function append(bus: Bus, { count, bytes, window, withId }: Load): Promise<void> {
  const payload = Buffer.alloc(bytes, 1);
  const subject = `${STREAM}.a`;
  const prefix = `r${++run}.`;
  let sent = 0;
  let done = 0;
  return new Promise((resolve, reject) => {
    const onResult = (result: AppendResult): void => {
      if (result.kind !== 'stored') reject(new Error(`append was ${result.kind}`));
      else if (++done === count) resolve();
      else if (sent < count) send();
    };
    const send = (): void => {
      sent++;
      const request = { stream: STREAM, subject, payload, timeoutMs: TIMEOUT_MS };
      bus.append(withId ? { ...request, messageId: prefix + sent } : request, onResult);
    };
    for (let i = 0; i < window && i < count; i++) send();
  });
}

/** Reads the whole stream; resolves to payload bytes. */
function replay(bus: Bus, fromSequence: number): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    const follower = bus.follow({
      stream: STREAM,
      fromSequence,
      onMessage: (message) => {
        bytes += message.payload.length;
      },
      onCaughtUp: () => {
        follower.close();
        resolve(bytes);
      },
    });
  });
}

/** Core messages on their way: more, and the server gives up a reader that lags behind. */
const CORE_BYTES_UNDER_WAY_MAX = 8_000_000;

/** Publishes and hears `count` messages on one connection, at most `burst` per turn. */
function core(bus: Bus, count: number, bytes: number, burst: number): Promise<void> {
  const payload = Buffer.alloc(bytes);
  const underWayMax = CORE_BYTES_UNDER_WAY_MAX / bytes;
  return new Promise((resolve) => {
    let got = 0;
    let sent = 0;
    const remove = bus.subscribe('bench.core', () => {
      if (++got < count) return;
      remove();
      resolve();
    });
    const turn = (): void => {
      for (let i = 0; i < burst && sent < count && sent - got < underWayMax; i++, sent++) {
        bus.publish('bench.core', payload);
      }
      if (sent < count) setImmediate(turn);
    };
    turn();
  });
}

async function appends(bus: Bus, syncAlways: boolean): Promise<void> {
  const scale = syncAlways ? 20 : 1;
  for (const bytes of RECORD_BYTES) {
    const large = bytes > 1_000 ? 5 : 1;
    for (const window of [1, 4, 1_024]) {
      for (const withId of [false, true]) {
        const count = Math.round((window === 1_024 ? 100_000 : 4_000) / large / scale);
        const name = `append ${bytes} B, ${window} under way${withId ? ', message id' : ''}`;
        await measure(name, count, () => append(bus, { count, bytes, window, withId }));
      }
    }
  }
}

async function follows(bus: Bus): Promise<void> {
  const setup = { count: 200_000, bytes: 128, window: 1_024, withId: false };
  await append(bus, setup);
  const from = await new Promise<number>((resolve) => {
    bus.state(STREAM, (state) => resolve((state?.lastSequence ?? 0) + 1));
  });
  await measure('follow 128 B', setup.count, async () => {
    await replay(bus, from - setup.count);
  });
  await append(bus, {
    count: REPLAY_RECORDS,
    bytes: REPLAY_RECORD_BYTES,
    window: 4,
    withId: false,
  });
  const wallMs = await measure('follow 200 kB', REPLAY_RECORDS, async () => {
    await replay(bus, from);
  });
  const megabytes = (REPLAY_RECORDS * REPLAY_RECORD_BYTES) / 1e6;
  console.log(`  = ${Math.round((megabytes * 1_000) / wallMs)} MB/s`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { sync: { type: 'boolean', default: false } } });
  const syncAlways = values.sync;
  const fsyncsPerSecond = Math.round(measureFsyncRate(tmpdir()));
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`);
  console.log(`disk: ${fsyncsPerSecond} fsync/s; server syncs always: ${syncAlways}`);
  const server = await startNatsServer({ syncAlways });
  const bus = await connectNats({ servers: server.url, name: 'bench' });
  await bus.ensureStream({ name: STREAM, subjects: [`${STREAM}.>`], replicas: 1 });
  await measure('warm-up', 5_000, () =>
    append(bus, { count: syncAlways ? 500 : 5_000, bytes: 128, window: 64, withId: true }),
  );
  await appends(bus, syncAlways);
  if (!syncAlways) await follows(bus);
  for (const burst of [1, 100]) {
    const count = burst === 1 ? 30_000 : 200_000;
    await measure(`core 128 B, ${burst} per turn`, count, () => core(bus, count, 128, burst));
  }
  await measure('core 60 kB, 4 per turn', 4_000, () => core(bus, 4_000, 60_000, 4));
  await bus.close();
  await server.stop();
}

await main();

/**
 * Record writer — stored sessions without clients: records of the right format, written by the
 * state log that a home uses, while no dispatcher runs.
 *
 * Epoch: one above the last owner's, whose log it fences; the next owner's is higher by what the
 *        cluster's leases have been renewed meanwhile, and fences this writer in the same way.
 */
import { hashText, partitionOf, systemClock } from '#base';
import type { Bus } from '#bus';
import {
  encodeSession,
  META_TABLE,
  REVISION_KEY,
  SESSION_TABLE,
  SESSIONS_GROUP,
} from '#session-store';
import type { SessionRecord } from '#session-store';
import { PROGRESS_START, StateLog, stateStream, stateSubject } from '#state';
import { PARTITIONS } from './bench-cluster.ts';

/** Records put before it is waited for the disk. */
const BATCH = 20_000;
/** Where a state record has its epoch (proto/wire/state.md): six bytes. */
const EPOCH_OFFSET = 2;

/** Writes sessions `NAME-0` … that went offline just now, each with three subscriptions. */
export async function writeRecords(bus: Bus, name: string, count: number): Promise<void> {
  const byHome = Array.from({ length: PARTITIONS }, (): string[] => []);
  for (let i = 0; i < count; i++) {
    const identifier = `${name}-${i}`;
    byHome[partitionOf(hashText(identifier), PARTITIONS)]?.push(identifier);
  }
  await Promise.all(byHome.map((identifiers, home) => writeHome(bus, home, identifiers)));
}

async function writeHome(bus: Bus, home: number, identifiers: readonly string[]): Promise<void> {
  const log = await openLog(bus, home);
  for (let from = 0; from < identifiers.length; from += BATCH) {
    const part = identifiers.slice(from, from + BATCH);
    for (const [i, identifier] of part.entries()) {
      const revision = from + i + 1;
      log.put(SESSION_TABLE, identifier, encodeSession(recordOf(identifier, revision, home)));
    }
    const last = Buffer.alloc(8);
    last.writeDoubleBE(from + part.length);
    log.put(META_TABLE, REVISION_KEY, last);
    await new Promise<void>((resolve) => log.whenDurable(resolve));
  }
  log.close();
}

async function openLog(bus: Bus, home: number): Promise<StateLog> {
  const epoch = (await lastEpoch(bus, home)) + 1;
  return new Promise((resolve, reject) => {
    StateLog.recover(
      {
        bus,
        clock: systemClock,
        group: SESSIONS_GROUP,
        partition: home,
        epoch,
        expectationOf: 'subject',
        onFenced: () => reject(new Error('a dispatcher has the session log')),
      },
      (log) => {
        log.begin(() => PROGRESS_START);
        resolve(log);
      },
    );
  });
}

function lastEpoch(bus: Bus, home: number): Promise<number> {
  const stream = stateStream(SESSIONS_GROUP, home);
  return new Promise((resolve, reject) => {
    bus.lastOnSubject(stream, stateSubject(SESSIONS_GROUP, home), (result) => {
      if (result.kind === 'found') resolve(result.message.payload.readUIntBE(EPOCH_OFFSET, 6));
      else reject(new Error(`the last record of ${stream}: ${result.kind}`));
    });
  });
}

function recordOf(clientIdentifier: string, revision: number, home: number): SessionRecord {
  const subscription = (topicFilter: string, qos: 0 | 1) => ({
    topicFilter,
    qos,
    noLocal: false,
    retainAsPublished: false,
    subscriptionIdentifier: 0,
  });
  return {
    clientIdentifier,
    authenticationName: 'anonymous',
    generation: revision * PARTITIONS + home,
    revision,
    stay: revision,
    at: undefined,
    changes: 1,
    subscriptions: [
      subscription(`${clientIdentifier}/command`, 1),
      subscription(`${clientIdentifier}/config/+`, 1),
      subscription('all/news', 1),
    ],
    cursor: Array.from<number>({ length: PARTITIONS }).fill(0),
    inFlight: [],
    sessionExpirySeconds: 86_400,
    expiresAtMs: Date.now() + 86_400_000,
  };
}

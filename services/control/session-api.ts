/**
 * Session API — lists stored sessions, looks at one, disconnects and deletes, from JSON to JSON.
 *
 * Reads:  lists come from the directory; a single session is asked of its home and of the owners of
 *         all partitions, where its queues are.
 * Orders: the home is asked who it is about first; the order names that connection or generation,
 *         so that a repeat strikes nobody who came later. After a deletion this control process has
 *         read it, too.
 * Ends:   within ANSWER_LIMIT_MS, with `unavailable` if an owner has not answered.
 */
import { type Clock, hashText, partitionOf } from '#base';
import type { OperatorAnswer, QueueState } from '#frames';
import type { SessionRecord } from '#session-store';
import { ApiFault, fieldFault } from './api-fault.ts';
import type { Action } from './collections.ts';
import type { OwnerAsker } from './owner-asker.ts';
import { pageToken, readPageSize, readPageToken } from './paging.ts';
import { textField } from './resource-json.ts';
import type { JsonRecord } from './resource-json.ts';
import type { SessionDirectory, SessionFilter } from './session-directory.ts';
import { sessionDetails, sessionToJson } from './session-json.ts';

/** For one request, ms: longer than a dispatcher's take-over, shorter than callers wait. */
const ANSWER_LIMIT_MS = 12_000;

type Located = Extract<OperatorAnswer, { t: 'located' }>;

export interface SessionApiOptions {
  readonly clock: Clock;
  readonly partitions: number;
  readonly directory: SessionDirectory;
  readonly asker: OwnerAsker;
}

export class SessionApi {
  readonly #o: SessionApiOptions;

  constructor(options: SessionApiOptions) {
    this.#o = options;
  }

  /** Throws ApiFault. */
  async call(action: Action, request: JsonRecord): Promise<JsonRecord> {
    if (!this.#o.directory.ready) throw new ApiFault('unavailable', 'sessions are being read yet');
    if (action === 'list') return this.#list(request);
    const clientIdentifier = textField('clientIdentifier', request['clientIdentifier']);
    if (clientIdentifier === '') throw fieldFault('clientIdentifier', 'must not be empty');
    const deadlineMs = this.#o.clock.nowMs() + ANSWER_LIMIT_MS;
    switch (action) {
      case 'get':
        return this.#get(clientIdentifier, deadlineMs);
      case 'disconnect':
        return { wasConnected: await this.#disconnect(clientIdentifier, deadlineMs) };
      case 'delete':
        await this.#delete(clientIdentifier, deadlineMs);
        return {};
      default:
        throw new ApiFault('method_not_allowed', 'clients make sessions by connecting');
    }
  }

  #list(request: JsonRecord): JsonRecord {
    const { directory } = this.#o;
    const after = readPageToken(textField('pageToken', request['pageToken']));
    const size = readPageSize(request['pageSize']);
    const { records, last } = directory.page(readFilter(request), after, size);
    const sessions = records.map((record) => {
      const { at } = record;
      const connected = at && { incarnation: at.incarnation, number: at.connection };
      return sessionToJson(record, connected, (name) => directory.gatewayName(name));
    });
    return { sessions, nextPageToken: last === undefined ? '' : pageToken(last) };
  }

  async #get(clientIdentifier: string, deadlineMs: number): Promise<JsonRecord> {
    const { directory, partitions } = this.#o;
    for (;;) {
      const located = await this.#locate(clientIdentifier, deadlineMs);
      const { generation, connection, inFlight } = located;
      if (generation === null) throw this.#absent(clientIdentifier, located);
      const record = directory.get(clientIdentifier);
      // Ended since its home said so, or its time has come and the home's clock is behind.
      if (record === undefined) throw this.#absent(clientIdentifier, { connection: null });
      // Begun anew since.
      if (record.generation !== generation) continue;
      const asked = Array.from({ length: partitions }, (_, partition) =>
        this.#queue(partition, record, deadlineMs),
      );
      const queues = (await Promise.all(asked)).filter((queue) => queue !== 'ended');
      if (queues.length < partitions) continue;
      return {
        ...sessionToJson(record, connection ?? undefined, (name) => directory.gatewayName(name)),
        ...sessionDetails(record, queues, inFlight),
      };
    }
  }

  #queue(
    partition: number,
    { clientIdentifier, generation }: SessionRecord,
    deadlineMs: number,
  ): Promise<QueueState | 'ended'> {
    const { asker, directory } = this.#o;
    return asker.ask(
      partition,
      { t: 'queue', generation },
      'queued',
      ({ queue }) => {
        if (queue !== null) return queue;
        // An owner that does not know it is behind, or ahead.
        return directory.get(clientIdentifier)?.generation === generation ? undefined : 'ended';
      },
      deadlineMs,
    );
  }

  /** False: nobody was connected. */
  async #disconnect(clientIdentifier: string, deadlineMs: number): Promise<boolean> {
    const located = await this.#locate(clientIdentifier, deadlineMs);
    const { connection, generation } = located;
    if (connection === null) {
      if (generation === null) throw this.#absent(clientIdentifier, located);
      return false;
    }
    const { incarnation, number } = connection;
    await this.#o.asker.ask(
      located.p,
      { t: 'disconnect', clientIdentifier, incarnation, connection: number },
      'disconnected',
      ({ done }) => done || undefined,
      deadlineMs,
    );
    return true;
  }

  async #delete(clientIdentifier: string, deadlineMs: number): Promise<void> {
    const { generation, p: home } = await this.#locate(clientIdentifier, deadlineMs);
    if (generation === null) {
      // A clean session ends with its connection.
      await this.#disconnect(clientIdentifier, deadlineMs);
      return;
    }
    const revision = await this.#o.asker.ask(
      home,
      { t: 'delete', clientIdentifier, generation },
      'deleted',
      (answer) => (answer.done ? answer.revision : undefined),
      deadlineMs,
    );
    await this.#read(home, revision, deadlineMs);
  }

  /** What its home knows; the directory has read as far. */
  async #locate(clientIdentifier: string, deadlineMs: number): Promise<Located> {
    const { asker, partitions } = this.#o;
    const home = partitionOf(hashText(clientIdentifier), partitions);
    const question = { t: 'locate', clientIdentifier } as const;
    const located = await asker.ask(home, question, 'located', (answer) => answer, deadlineMs);
    await this.#read(home, located.revision, deadlineMs);
    return located;
  }

  async #read(home: number, revision: number, deadlineMs: number): Promise<void> {
    if (await this.#o.directory.reached(home, revision, deadlineMs)) return;
    throw new ApiFault('unavailable', `the session log of partition ${home} is not being read`);
  }

  #absent(clientIdentifier: string, { connection }: Pick<Located, 'connection'>): ApiFault {
    const name = JSON.stringify(clientIdentifier);
    if (connection === null) {
      const says = `no session of client identifier ${name} is stored, and nobody is connected`;
      return new ApiFault('not_found', says);
    }
    const gateway = this.#o.directory.gatewayName(connection.incarnation);
    return new ApiFault(
      'not_found',
      `${name} is connected to ${gateway} with a session that ends with its connection: ` +
        'nothing is stored',
    );
  }
}

function readFilter(request: JsonRecord): SessionFilter {
  return {
    clientIdentifierPrefix: textField('clientIdentifierPrefix', request['clientIdentifierPrefix']),
    authenticationName: textField('authenticationName', request['authenticationName']),
    gateway: textField('gateway', request['gateway']),
    connected: readFlag('connected', request['connected']),
  };
}

/** A query parameter is a text. */
function readFlag(field: string, value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw fieldFault(field, 'must be true or false');
}

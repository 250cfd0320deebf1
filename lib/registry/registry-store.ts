/**
 * Registry store — reads and writes resources; one per control process.
 *
 * Write:  plan against the image, then append under compare-and-set on the *whole* stream's last
 *         sequence: it lands only if nothing in the registry moved since then. So unique names and
 *         references hold across resources and control processes without locks. Refused: wait
 *         for the image to catch up and plan again. Undecided: the same bytes and id again, until
 *         decided or WRITE_DEADLINE_MS; a copy that lands later still meets the same condition.
 * Answer: when the own image contains the write: who reads here afterwards sees it.
 * Order:  one write at a time, so each costs one round trip and one fsync (~1–5 ms); at most
 *         WRITES_WAITING_MAX wait, more are refused as busy. The registry is for changes by people
 *         and provisioning, some hundreds a second.
 * Reads:  from the image, also while NATS is away.
 */
import type { Clock, Random } from '#base';
import type { AppendRequest, AppendResult, Bus, GetResult } from '#bus';
import { explainAccess } from './access-explainer.ts';
import type { AccessExplanation, AccessOperation } from './access-explainer.ts';
import { REGISTRY_STREAM, resourceSubject } from './names.ts';
import { encodeRecord, writeIdOf } from './record.ts';
import { RegistryFault } from './registry-fault.ts';
import { RegistryFeed } from './registry-feed.ts';
import type { Resource, ResourceKind } from './resources.ts';
import { Turns } from './turns.ts';
import { planWrite } from './write-plan.ts';
import type { WritePlan, WriteRequest } from './write-plan.ts';

/** Writes that may wait. At 5 ms each the last one waits 5 s. */
export const WRITES_WAITING_MAX = 1_000;
/** How long one write is tried, ms. Longer than a change of leader in NATS (≤ 5 s). */
export const WRITE_DEADLINE_MS = 10_000;
const REPEAT_PAUSE_MS = 100;
/** How long the image may take to show a write that JetStream confirmed, ms. */
const CATCH_UP_MS = 1_000;

export interface RegistryStoreOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** For ids of writes. */
  readonly random: Random;
  /** Once, when the registry has been read. */
  readonly onReady?: () => void;
}

export interface ResourcePage<Kind extends ResourceKind> {
  readonly resources: readonly Resource<Kind>[];
  /** Name after which the next page begins; undefined on the last one. */
  readonly lastName: string | undefined;
}

export class RegistryStore {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #writer: string;
  readonly #feed: RegistryFeed;
  readonly #turns = new Turns(WRITES_WAITING_MAX);
  readonly #positionListeners = new Set<() => void>();
  #writes = 0;

  constructor(options: RegistryStoreOptions) {
    this.#bus = options.bus;
    this.#clock = options.clock;
    this.#writer = Math.floor(options.random() * 2 ** 48).toString(36);
    this.#feed = new RegistryFeed(options.bus, {
      onPosition: () => this.#onPosition(),
      onReady: () => options.onReady?.(),
    });
  }

  get ready(): boolean {
    return this.#feed.ready;
  }

  get unreadableRecords(): number {
    return this.#feed.image.unreadableRecords;
  }

  count(kind: ResourceKind): number {
    return this.#feed.image.count(kind);
  }

  get<Kind extends ResourceKind>(kind: Kind, name: string): Resource<Kind> | undefined {
    this.#assertReady();
    return this.#feed.image.get(kind, name);
  }

  /** In the order of names (code units), those after `afterName` (empty = from the first). */
  list<Kind extends ResourceKind>(
    kind: Kind,
    afterName: string,
    countMax: number,
  ): ResourcePage<Kind> {
    this.#assertReady();
    const { image } = this.#feed;
    const names = image.names(kind);
    const from = afterName === '' ? 0 : firstAfter(names, afterName);
    const chosen = names.slice(from, from + countMax);
    const resources = chosen.flatMap((name) => image.get(kind, name) ?? []);
    return { resources, lastName: from + countMax < names.length ? chosen.at(-1) : undefined };
  }

  /** `client`: name or authentication name; undefined: there is none. */
  explainAccess(
    client: string,
    operation: AccessOperation,
    topic: string,
  ): AccessExplanation | undefined {
    this.#assertReady();
    const { image } = this.#feed;
    const found = image.get('clients', client) ?? image.clientByAuthenticationName(client);
    return found === undefined ? undefined : explainAccess(image, found, operation, topic);
  }

  /** The resource as it stands afterwards; undefined after `delete`. Throws RegistryFault. */
  async write(request: WriteRequest): Promise<Resource | undefined> {
    this.#assertReady();
    const turn = this.#turns.take();
    if (turn === undefined)
      throw new RegistryFault('busy', 'too many writes wait: try again later');
    await turn.begin;
    try {
      return await this.#write(request);
    } finally {
      turn.end();
    }
  }

  close(): void {
    this.#feed.close();
  }

  async #write(request: WriteRequest): Promise<Resource | undefined> {
    const { kind, name } = request;
    const deadlineMs = this.#clock.nowMs() + WRITE_DEADLINE_MS;
    while (this.#clock.nowMs() < deadlineMs) {
      const plan = planWrite(request, this.#feed.image);
      if (plan.kind === 'nothing') return plan.resource;
      const sequence = await this.#append(resourceSubject(kind, name), plan, deadlineMs);
      if (sequence === undefined) continue;
      await this.#imageAt(sequence, CATCH_UP_MS);
      return this.#written(request, plan, sequence);
    }
    throw new RegistryFault('unavailable', 'the registry did not come to rest: try again');
  }

  #written(request: WriteRequest, plan: WritePlan, sequence: number): Resource | undefined {
    if (plan.kind !== 'put') return undefined;
    const { kind, name } = request;
    const standing: Resource | undefined = this.#feed.image.get(kind, name);
    if (standing?.revision === sequence) return standing;
    // Another control process has overwritten or deleted it already; this write was done all the
    // same. (Or the image is late: NATS is slow.)
    const updatedAtMs = this.#clock.wallMs();
    const { spec, createdAtMs = updatedAtMs } = plan;
    return { kind, name, revision: sequence, createdAtMs, updatedAtMs, spec };
  }

  /** The write's sequence; undefined: the registry moved, plan again. Throws RegistryFault. */
  async #append(subject: string, plan: WritePlan, deadlineMs: number): Promise<number | undefined> {
    const expected = this.#feed.image.position;
    const writeId = `${this.#writer}-${++this.#writes}`;
    const content = plan.kind === 'put' ? recordOf(plan) : {};
    const request: AppendRequest = {
      stream: REGISTRY_STREAM,
      subject,
      payload: encodeRecord({ writeId, ...content }),
      messageId: writeId,
      expectedLastSequence: expected,
      deletes: plan.kind === 'delete',
    };
    for (let attempt = 1; ; attempt++) {
      const result = await this.#appendOnce(request);
      if (result.kind === 'stored') return result.sequence;
      if (result.kind === 'full') throw new RegistryFault('full', 'the registry is full');
      if (result.kind === 'failed') throw new RegistryFault('unavailable', result.why);
      if (result.kind === 'refused') {
        // After an undecided attempt the refusal may be about our own record.
        const own =
          attempt === 1 ? undefined : await this.#ownSequence(request, writeId, deadlineMs);
        if (own !== undefined) return own;
        await this.#catchUpFrom(expected);
        return undefined;
      }
      if (this.#clock.nowMs() >= deadlineMs) {
        const says = `NATS did not decide (${result.why}): the write may still happen`;
        throw new RegistryFault('unavailable', says);
      }
      await this.#pause(REPEAT_PAUSE_MS);
    }
  }

  #appendOnce(request: AppendRequest): Promise<AppendResult> {
    return new Promise((resolve) => this.#bus.append(request, resolve));
  }

  /** Where an undecided write landed; undefined: it did not, and cannot any more. */
  async #ownSequence(
    { subject, expectedLastSequence = 0 }: AppendRequest,
    writeId: string,
    deadlineMs: number,
  ): Promise<number | undefined> {
    for (;;) {
      const last = await new Promise<GetResult>((resolve) => {
        this.#bus.lastOnSubject(REGISTRY_STREAM, subject, resolve);
      });
      if (last.kind === 'absent') return undefined;
      if (last.kind === 'found') {
        const { payload, sequence } = last.message;
        if (writeIdOf(payload) === writeId) return sequence;
        if (sequence <= expectedLastSequence) return undefined;
        // Another's record stands where ours would: ours may have been there for a moment.
        throw new RegistryFault('unavailable', 'another write met this one: read what stands');
      }
      if (this.#clock.nowMs() >= deadlineMs) {
        throw new RegistryFault('unavailable', 'NATS did not answer: the write may have happened');
      }
      await this.#pause(REPEAT_PAUSE_MS);
    }
  }

  /** Waits until the image has moved on; if nothing comes, asks the stream where it ends. */
  async #catchUpFrom(position: number): Promise<void> {
    await this.#imageAt(position + 1, REPEAT_PAUSE_MS);
    if (this.#feed.image.position > position) return;
    this.#feed.follow();
    await this.#imageAt(position + 1, CATCH_UP_MS);
  }

  /** Resolves when the image has reached `position`, or after `waitMs`. */
  async #imageAt(position: number, waitMs: number): Promise<void> {
    if (this.#feed.image.position >= position) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#positionListeners.delete(look);
        this.#clock.cancel(timer);
        resolve();
      };
      const look = (): void => {
        if (this.#feed.image.position >= position) done();
      };
      const timer = this.#clock.after(waitMs, done);
      this.#positionListeners.add(look);
    });
  }

  #onPosition(): void {
    for (const listener of this.#positionListeners) listener();
  }

  #assertReady(): void {
    if (!this.ready) throw new RegistryFault('unavailable', 'the registry has not been read yet');
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(delayMs, resolve);
    });
  }
}

function recordOf(plan: WritePlan & { kind: 'put' }): object {
  const { spec, createdAtMs } = plan;
  return createdAtMs === undefined ? { spec } : { createdAtMs, spec };
}

/** Index of the first name after `name` in an ordered list. */
function firstAfter(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? '') <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Out table — QoS 2 deliveries to stored sessions that have begun (docs/adr/0014).
 *
 * Shape: table 6 of the home's state log, generation, partition and position → packet identifier
 *        and state (resident); beside it a map per generation. Under the generation alone: per
 *        partition the position up to which all is acknowledged, as a step brought it. What was
 *        forgotten by it may be filed again when its gateway dies: a grant hands it over, too.
 * Bound: a session's packet identifiers, and what is finished above the position up to which all is
 *        acknowledged; the gateway bounds that by its windows.
 */
import { OUT_FINISHED, OUT_SENT, type OutEntry } from '#frames';
import type { Position } from '#log';
import type { InFlight } from '#session-store';
import type { StateTables } from '#state';

/** Table of the dispatchers' state logs. */
export const OUT_TABLE = 6;
const VALUE_BYTES = 3;
const POSITION_BYTES = 8;

interface Out {
  readonly key: string;
  readonly packetIdentifier: number;
  readonly partition: number;
  readonly position: Position;
  state: number;
}

/** The deliveries of one session. */
class Outs {
  readonly byKey = new Map<string, Out>();
  /** Those that are not finished: a packet identifier has one at a time. */
  readonly open = new Map<number, Out>();
  /** Per partition. */
  acknowledged: Position[] = [];

  set(out: Out): void {
    this.byKey.set(out.key, out);
    const { packetIdentifier, state } = out;
    if (state !== OUT_FINISHED) this.open.set(packetIdentifier, out);
    else if (this.open.get(packetIdentifier)?.key === out.key) this.open.delete(packetIdentifier);
  }

  delete({ key, packetIdentifier }: Out): void {
    this.byKey.delete(key);
    if (this.open.get(packetIdentifier)?.key === key) this.open.delete(packetIdentifier);
  }
}

export class OutTable {
  readonly #state: StateTables;
  readonly #byGeneration = new Map<number, Outs>();

  constructor(state: StateTables) {
    this.#state = state;
    for (const key of state.keys(OUT_TABLE)) this.#recover(key);
  }

  get size(): number {
    let size = 0;
    for (const { byKey } of this.#byGeneration.values()) size += byKey.size;
    return size;
  }

  /** What a grant hands over. */
  entries(generation: number): readonly OutEntry[] {
    const outs = this.#byGeneration.get(generation)?.byKey.values() ?? [];
    return [...outs].map((o) => [o.packetIdentifier, o.partition, o.position, o.state] as const);
  }

  /** Per partition: nothing at or below it is sent; absent: nothing is known. */
  acknowledged(generation: number): readonly Position[] {
    return this.#byGeneration.get(generation)?.acknowledged ?? [];
  }

  /** The end of a stay names these deliveries: what had their identifiers before is finished. */
  replaced(generation: number, inFlight: readonly InFlight[]): void {
    const outs = this.#byGeneration.get(generation);
    if (outs === undefined) return;
    for (const [packetIdentifier, partition, position] of inFlight) {
      const key = keyOf(generation, partition, position);
      if (outs.open.get(packetIdentifier)?.key !== key) this.#finishOther(outs, packetIdentifier);
    }
  }

  /** Applies the steps of one message; a repeated one changes nothing. */
  step(
    generation: number,
    steps: readonly OutEntry[],
    acknowledged: readonly (Position | null)[],
  ): void {
    const outs = this.#outsOf(generation);
    for (const [packetIdentifier, partition, position, state] of steps) {
      const key = keyOf(generation, partition, position);
      const known = outs.byKey.get(key);
      if (known !== undefined && known.state >= state) continue;
      if (state === OUT_SENT) this.#finishOther(outs, packetIdentifier);
      this.#put(outs, { key, packetIdentifier, partition, position, state });
    }
    for (const out of outs.byKey.values()) {
      if (isOver(out, acknowledged)) this.#drop(outs, out);
    }
    this.#raise(generation, outs, acknowledged);
  }

  /** Rides with the deletion of what lies at or below it. */
  #raise(generation: number, outs: Outs, acknowledged: readonly (Position | null)[]): void {
    const known = outs.acknowledged;
    const raised = acknowledged.map((position, p) => Math.max(position ?? 0, known[p] ?? 0));
    if (raised.every((position, p) => position === (known[p] ?? 0))) return;
    outs.acknowledged = raised;
    const value = Buffer.allocUnsafe(raised.length * POSITION_BYTES);
    raised.forEach((position, p) => value.writeDoubleBE(position, p * POSITION_BYTES));
    this.#state.ride(OUT_TABLE, generation.toString(36), value);
  }

  #outsOf(generation: number): Outs {
    let outs = this.#byGeneration.get(generation);
    if (outs === undefined) this.#byGeneration.set(generation, (outs = new Outs()));
    return outs;
  }

  /** The session has ended. */
  end(generation: number): void {
    const outs = this.#byGeneration.get(generation);
    if (outs === undefined) return;
    for (const out of outs.byKey.values()) this.#state.delete(OUT_TABLE, out.key);
    if (outs.acknowledged.length > 0) this.#state.delete(OUT_TABLE, generation.toString(36));
    this.#byGeneration.delete(generation);
  }

  /** Generations with entries. */
  get generations(): IterableIterator<number> {
    return this.#byGeneration.keys();
  }

  /** The identifier was free again: what had it is finished. */
  #finishOther(outs: Outs, packetIdentifier: number): void {
    const other = outs.open.get(packetIdentifier);
    if (other !== undefined) this.#put(outs, { ...other, state: OUT_FINISHED });
  }

  #put(outs: Outs, out: Out): void {
    outs.set(out);
    const value = Buffer.allocUnsafe(VALUE_BYTES);
    value.writeUInt16BE(out.packetIdentifier, 0);
    value[2] = out.state;
    // Nobody waits to hear that something is finished.
    if (out.state === OUT_FINISHED) this.#state.ride(OUT_TABLE, out.key, value);
    else this.#state.put(OUT_TABLE, out.key, value);
  }

  #drop(outs: Outs, out: Out): void {
    outs.delete(out);
    this.#state.rideDelete(OUT_TABLE, out.key);
  }

  #recover(key: string): void {
    const value = this.#state.peek(OUT_TABLE, key);
    if (value === undefined) return;
    const [generation = 0, partition = 0, position = 0] = key
      .split('.')
      .map((text) => Number.parseInt(text, 36));
    if (!key.includes('.')) {
      this.#outsOf(generation).acknowledged = positionsOf(value);
      return;
    }
    if (value.length !== VALUE_BYTES) return;
    const packetIdentifier = ((value[0] as number) << 8) | (value[1] as number);
    const state = value[2] as number;
    this.#outsOf(generation).set({ key, packetIdentifier, partition, position, state });
  }
}

/** Nothing of a queue stands below 0: such a delivery is over when it is finished. */
function isOver(
  { partition, position, state }: Out,
  acknowledged: readonly (Position | null)[],
): boolean {
  if (position < 0) return state === OUT_FINISHED;
  return position <= (acknowledged[partition] ?? 0);
}

function keyOf(generation: number, partition: number, position: Position): string {
  return `${generation.toString(36)}.${partition.toString(36)}.${position.toString(36)}`;
}

function positionsOf(value: Uint8Array): Position[] {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const count = Math.floor(bytes.length / POSITION_BYTES);
  return Array.from({ length: count }, (_, p) => bytes.readDoubleBE(p * POSITION_BYTES));
}

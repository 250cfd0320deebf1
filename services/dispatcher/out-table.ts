/**
 * Out table — QoS 2 deliveries to stored sessions that have begun (docs/adr/0014).
 *
 * Shape: table 6 of the home's state log, generation, partition and position → packet identifier
 *        and state (resident); beside it a map per generation.
 * Bound: a session's packet identifiers, and what is finished above the position up to which all is
 *        acknowledged; the gateway bounds that by its windows.
 */
import { OUT_FINISHED, OUT_SENT, type OutEntry } from '#frames';
import type { Position } from '#log';
import type { StateTables } from '#state';

/** Table of the dispatchers' state logs. */
export const OUT_TABLE = 6;
const VALUE_BYTES = 3;

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
    return this.#state.count(OUT_TABLE);
  }

  /** What a grant hands over. */
  entries(generation: number): readonly OutEntry[] {
    const outs = this.#byGeneration.get(generation)?.byKey.values() ?? [];
    return [...outs].map((o) => [o.packetIdentifier, o.partition, o.position, o.state] as const);
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
    if (outs.byKey.size === 0) this.#byGeneration.delete(generation);
  }

  #outsOf(generation: number): Outs {
    let outs = this.#byGeneration.get(generation);
    if (outs === undefined) this.#byGeneration.set(generation, (outs = new Outs()));
    return outs;
  }

  /** The session has ended. */
  end(generation: number): void {
    const outs = this.#byGeneration.get(generation);
    for (const out of outs?.byKey.values() ?? []) this.#state.delete(OUT_TABLE, out.key);
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
    if (value?.length !== VALUE_BYTES) return;
    const [generation = 0, partition = 0, position = 0] = key
      .split('.')
      .map((text) => Number.parseInt(text, 36));
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

/**
 * Out table — QoS 2 deliveries to stored sessions that have begun (docs/adr/0014).
 *
 * Shape: table 6 of the home's state log, generation, partition and position → packet identifier and
 *        state (resident); beside it a map per generation.
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

export class OutTable {
  readonly #state: StateTables;
  readonly #byGeneration = new Map<number, Map<string, Out>>();

  constructor(state: StateTables) {
    this.#state = state;
    for (const key of state.keys(OUT_TABLE)) this.#recover(key);
  }

  get size(): number {
    return this.#state.count(OUT_TABLE);
  }

  /** What a grant hands over. */
  entries(generation: number): readonly OutEntry[] {
    const outs = this.#byGeneration.get(generation)?.values() ?? [];
    return [...outs].map((o) => [o.packetIdentifier, o.partition, o.position, o.state] as const);
  }

  /** Applies the steps of one message; a repeated one changes nothing. */
  step(
    generation: number,
    steps: readonly OutEntry[],
    acknowledged: readonly (Position | null)[],
  ): void {
    let outs = this.#byGeneration.get(generation);
    if (outs === undefined) this.#byGeneration.set(generation, (outs = new Map()));
    for (const [packetIdentifier, partition, position, state] of steps) {
      const key = keyOf(generation, partition, position);
      const known = outs.get(key);
      if (known !== undefined && known.state >= state) continue;
      if (state === OUT_SENT) this.#finishOthers(outs, packetIdentifier);
      this.#put(outs, { key, packetIdentifier, partition, position, state });
    }
    for (const out of outs.values()) {
      if (out.position <= (acknowledged[out.partition] ?? 0)) this.#drop(outs, out);
    }
    if (outs.size === 0) this.#byGeneration.delete(generation);
  }

  /** The session has ended. */
  end(generation: number): void {
    const outs = this.#byGeneration.get(generation);
    for (const out of outs?.values() ?? []) this.#state.delete(OUT_TABLE, out.key);
    this.#byGeneration.delete(generation);
  }

  /** Generations with entries. */
  get generations(): IterableIterator<number> {
    return this.#byGeneration.keys();
  }

  /** The identifier was free again: what had it is finished. */
  #finishOthers(outs: Map<string, Out>, packetIdentifier: number): void {
    for (const out of outs.values()) {
      if (out.packetIdentifier !== packetIdentifier || out.state === OUT_FINISHED) continue;
      this.#put(outs, { ...out, state: OUT_FINISHED });
    }
  }

  #put(outs: Map<string, Out>, out: Out): void {
    outs.set(out.key, out);
    const value = Buffer.allocUnsafe(VALUE_BYTES);
    value.writeUInt16BE(out.packetIdentifier, 0);
    value[2] = out.state;
    // Nobody waits to hear that something is finished.
    if (out.state === OUT_FINISHED) this.#state.ride(OUT_TABLE, out.key, value);
    else this.#state.put(OUT_TABLE, out.key, value);
  }

  #drop(outs: Map<string, Out>, { key }: Out): void {
    outs.delete(key);
    this.#state.rideDelete(OUT_TABLE, key);
  }

  #recover(key: string): void {
    const value = this.#state.peek(OUT_TABLE, key);
    if (value?.length !== VALUE_BYTES) return;
    const [generation = 0, partition = 0, position = 0] = key
      .split('.')
      .map((text) => Number.parseInt(text, 36));
    const packetIdentifier = ((value[0] as number) << 8) | (value[1] as number);
    let outs = this.#byGeneration.get(generation);
    if (outs === undefined) this.#byGeneration.set(generation, (outs = new Map()));
    outs.set(key, { key, packetIdentifier, partition, position, state: value[2] as number });
  }
}

function keyOf(generation: number, partition: number, position: Position): string {
  return `${generation.toString(36)}.${partition.toString(36)}.${position.toString(36)}`;
}

/**
 * Ended stays — stays of this gateway whose end their home has not acknowledged (ADR 0012, S7).
 *
 * Why:   an owner may not know yet that the session has left: it is live or filed there, as before.
 *        Until the home has written it, the floor stays at or below what the session acknowledged,
 *        and the answer to a hello names it as if it were still here.
 * Bound: one entry per release under way.
 */
import type { Position } from '#log';
import type { Stay } from './stay.ts';

interface EndedPart {
  readonly floor: Position;
  /** X; undefined: it is filed. */
  readonly liveFrom: Position | undefined;
}

interface EndedStay {
  readonly generation: number;
  readonly parts: readonly EndedPart[];
}

export class EndedStays {
  readonly #byConnection = new Map<number, EndedStay>();

  get size(): number {
    return this.#byConnection.size;
  }

  /** `cursor`: what its end tells the home. */
  add({ client, generation, parts }: Stay, cursor: readonly (Position | null)[]): void {
    this.#byConnection.set(client.connectionNumber, {
      generation,
      parts: parts.map((part, p) => ({
        // While it reads, its owner files; while it asks, it may be live there.
        floor: part.mode === 'reading' ? Infinity : Math.min(part.floor, cursor[p] ?? Infinity),
        liveFrom: part.isLive ? part.x : undefined,
      })),
    });
  }

  /** Its home has written the end. */
  released(connection: number): void {
    this.#byConnection.delete(connection);
  }

  /** Lowers what stands in `floor`, per partition. */
  lower(floor: (Position | null)[]): void {
    for (const { parts } of this.#byConnection.values()) {
      for (let p = 0; p < parts.length; p++) {
        const known = floor[p] ?? null;
        const own = parts[p]?.floor ?? Infinity;
        if (known !== null && own < known) floor[p] = own;
      }
    }
  }

  /** What a new owner is told (S8): generations that are filed, X of those that are live. */
  forHello(partition: number): { generation: number; liveFrom: Position | undefined }[] {
    return [...this.#byConnection.values()].map(({ generation, parts }) => ({
      generation,
      liveFrom: parts[partition]?.liveFrom,
    }));
  }
}

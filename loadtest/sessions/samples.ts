/** Samples — durations of single operations, and how they are said. */

export class Samples {
  readonly #values: number[] = [];
  #isSorted = true;

  get count(): number {
    return this.#values.length;
  }

  add(ms: number): void {
    this.#values.push(ms);
    this.#isSorted = false;
  }

  /** `part` of 0 … 1; 1 is the longest. 0 when there is none. */
  at(part: number): number {
    if (!this.#isSorted) this.#values.sort((a, b) => a - b);
    this.#isSorted = true;
    const last = this.#values.length - 1;
    return this.#values[Math.min(last, Math.floor(part * this.#values.length))] ?? 0;
  }

  toString(): string {
    const [p50, p99, worst] = [this.at(0.5), this.at(0.99), this.at(1)].map(milliseconds);
    return `p50 ${p50}, p99 ${p99}, longest ${worst}`;
  }
}

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

export function whole(count: number): string {
  return Math.round(count).toLocaleString('en');
}

export function perSecond(count: number, ms: number): string {
  return `${whole((count * 1_000) / ms)}/s`;
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`;
}

/** So many bytes for each of `count`. */
export function each(bytes: number, count: number): string {
  const part = bytes / count;
  return Math.abs(part) < 100 ? `${part.toFixed(1)} B` : `${(part / 1_024).toFixed(2)} KiB`;
}

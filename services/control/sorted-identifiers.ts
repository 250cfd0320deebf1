/**
 * Sorted identifiers — a set of texts that is read in order from anywhere, for pages of a list.
 *
 * Shape: chunks of ascending texts, each below the next one's. A full chunk is halved.
 * Order: by UTF-16 code units, as `<` compares.
 * Cost:  a search among the chunks and a move within one; 8 bytes per text beside the text.
 */

const CHUNK_LENGTH_MAX = 512;

export class SortedIdentifiers {
  readonly #chunks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(text: string): void {
    const at = Math.max(0, this.#chunkOf(text));
    const chunk = this.#chunks[at];
    if (chunk === undefined) this.#chunks.push([text]);
    else {
      const place = placeOf(chunk, text);
      if (chunk[place] === text) return;
      chunk.splice(place, 0, text);
      if (chunk.length > CHUNK_LENGTH_MAX) {
        this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_LENGTH_MAX / 2));
      }
    }
    this.#size++;
  }

  delete(text: string): void {
    const at = this.#chunkOf(text);
    const chunk = this.#chunks[at];
    const place = chunk === undefined ? 0 : placeOf(chunk, text);
    if (chunk?.[place] !== text) return;
    chunk.splice(place, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.#size--;
  }

  /** Those at or above `text`, ascending. Do not change the set meanwhile. */
  *from(text: string): Generator<string> {
    let at = Math.max(0, this.#chunkOf(text));
    let place = placeOf(this.#chunks[at] ?? [], text);
    for (; at < this.#chunks.length; at++, place = 0) {
      const chunk = this.#chunks[at] as string[];
      for (; place < chunk.length; place++) yield chunk[place] as string;
    }
  }

  /** The last chunk that begins at or below `text`; -1: none does. */
  #chunkOf(text: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#chunks[middle]?.[0] as string) <= text) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** The first place whose text is not below. */
function placeOf(chunk: readonly string[], text: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunk[middle] as string) < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Open identifiers — the packet identifiers that one session has open, and which of them must be
 * written anew.
 *
 * Shape: pages of 256 identifiers. A page is stored whole, so that what one PUBLISH costs does not
 *        grow with how many of the 65,535 identifiers a client holds open.
 */
const PAGE_BITS = 8;
const LOW_BITS = 0xff;

export class OpenIdentifiers {
  /** By page, low bytes of the identifiers. Empty pages stay until they are written as such. */
  readonly #pages = new Map<number, Set<number>>();
  readonly #changed = new Set<number>();
  #count = 0;

  get count(): number {
    return this.#count;
  }
  /** Pages that the state log may hold. */
  get pages(): Iterable<number> {
    return this.#pages.keys();
  }

  /** False: it is open already. */
  add(packetIdentifier: number): boolean {
    const page = packetIdentifier >> PAGE_BITS;
    let low = this.#pages.get(page);
    if (low === undefined) this.#pages.set(page, (low = new Set()));
    if (low.has(packetIdentifier & LOW_BITS)) return false;
    low.add(packetIdentifier & LOW_BITS);
    this.#count++;
    this.#changed.add(page);
    return true;
  }

  delete(packetIdentifier: number): void {
    const page = packetIdentifier >> PAGE_BITS;
    if (this.#pages.get(page)?.delete(packetIdentifier & LOW_BITS) !== true) return;
    this.#count--;
    this.#changed.add(page);
  }

  clear(): void {
    for (const [page, low] of this.#pages) {
      if (low.size > 0) this.#changed.add(page);
      low.clear();
    }
    this.#count = 0;
  }

  /** Takes a page as it was stored. */
  restore(page: number, stored: Uint8Array): void {
    const low = new Set(stored);
    this.#count += low.size;
    this.#pages.set(page, low);
  }

  /** Hands over each page that changed since the last time; undefined: nothing in it is open. */
  takeChanges(write: (page: number, low: Uint8Array | undefined) => void): void {
    for (const page of this.#changed) {
      const low = this.#pages.get(page);
      if (low === undefined || low.size === 0) {
        this.#pages.delete(page);
        write(page, undefined);
      } else write(page, Uint8Array.from(low));
    }
    this.#changed.clear();
  }
}

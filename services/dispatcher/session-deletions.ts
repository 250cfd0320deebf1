/**
 * Session deletions — sessions that an operator has ordered to end, whose clients are being
 * disconnected first. Each ends with the release of its connection, or DELETE_WAIT_MS later.
 *
 * Life: in memory only; after a change of owner the order is given again, by generation, or is lost
 *       together with the operator who waited for it.
 */

/** Wait for the release of the session's connection, ms. Gateways answer in a few. */
const DELETE_WAIT_MS = 5_000;

export class SessionDeletions {
  readonly #ordered = new Map<number, { readonly clientIdentifier: string; atMs: number }>();

  /** Given again, the first order counts. */
  order(generation: number, clientIdentifier: string, nowMs: number): void {
    if (this.#ordered.has(generation)) return;
    this.#ordered.set(generation, { clientIdentifier, atMs: nowMs + DELETE_WAIT_MS });
  }

  has(generation: number): boolean {
    return this.#ordered.has(generation);
  }

  /** The session has ended. */
  done(generation: number): void {
    this.#ordered.delete(generation);
  }

  /** Waited for long enough: client identifiers. */
  overdue(nowMs: number): string[] {
    const ordered = [...this.#ordered.values()];
    return ordered.filter(({ atMs }) => atMs <= nowMs).map((order) => order.clientIdentifier);
  }
}

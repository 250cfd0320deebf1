/**
 * Delivery tickets — the core's name for each delivery of a stored session that is under way.
 *
 * Shape: ticket and order of sending by packet identifier, in typed arrays that double; a clean
 *        session has none.
 * Cost:  no allocation per delivery. The order is only sorted at the end of the connection.
 */
const IDENTIFIERS_START = 32;

export class DeliveryTickets {
  #tickets = new Float64Array(0);
  #order = new Float64Array(0);
  #sent = 0;

  /** The delivery under this identifier is sent now. */
  put(identifier: number, ticket: number): void {
    if (identifier >= this.#tickets.length) this.#grow(identifier);
    this.#tickets[identifier] = ticket;
    this.#order[identifier] = ++this.#sent;
  }

  /** The ticket of an identifier, 0 = none; it is forgotten. */
  take(identifier: number): number {
    const ticket = this.#tickets[identifier] ?? 0;
    if (ticket !== 0) this.#tickets[identifier] = 0;
    return ticket;
  }

  /** Those for which `isSent` holds, in the order of sending. */
  inOrder(isSent: (identifier: number) => boolean): (readonly [number, number])[] {
    const identifiers: number[] = [];
    this.#tickets.forEach((ticket, identifier) => {
      if (ticket !== 0 && isSent(identifier)) identifiers.push(identifier);
    });
    const order = (identifier: number): number => this.#order[identifier] ?? 0;
    identifiers.sort((a, b) => order(a) - order(b));
    return identifiers.map((identifier) => [identifier, this.#tickets[identifier] ?? 0]);
  }

  #grow(identifier: number): void {
    const length = Math.max(IDENTIFIERS_START, this.#tickets.length * 2, identifier + 1);
    const tickets = new Float64Array(length);
    const order = new Float64Array(length);
    tickets.set(this.#tickets);
    order.set(this.#order);
    this.#tickets = tickets;
    this.#order = order;
  }
}

/**
 * Entrance — to which gateway a client goes: any of them at random, as behind a load balancer.
 */
import type { Random } from '#base';

export interface Door {
  /** `gateway-1` … */
  readonly gateway: string;
  readonly port: number;
}

export class Entrance {
  readonly #doors: readonly Door[];
  readonly #random: Random;
  /** Client → where it goes instead, for tests that plant a fault on the way. */
  readonly #detours = new Map<string, number>();

  constructor(ports: readonly number[], random: Random) {
    this.#doors = ports.map((port, index) => ({ gateway: `gateway-${index + 1}`, port }));
    this.#random = random;
  }

  detour(client: string, port: number): void {
    this.#detours.set(client, port);
  }

  /** Another one than `not` where there are several. */
  pick(client: string, not?: string): Door {
    const others = this.#doors.filter(({ gateway }) => gateway !== not);
    const doors = others.length === 0 ? this.#doors : others;
    const door = doors[Math.floor(this.#random() * doors.length)];
    if (door === undefined) throw new Error('there is no gateway');
    const port = this.#detours.get(client);
    return port === undefined ? door : { ...door, port };
  }
}

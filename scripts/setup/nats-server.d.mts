/** Types of nats-server.mjs, for tests and services/cli. */

export const NATS_SERVER_VERSION: string;

/** Absolute path of a nats-server of 2.12 or later, or undefined. Throws for a bad variable. */
export function findNatsServer(): string | undefined;

/** One way to get the binary; → undefined when `target` is in place, else why it did not work. */
export interface NatsServerSource {
  readonly name: string;
  fetch(request: {
    readonly version: string;
    readonly target: string;
    isUsable(path: string): boolean;
    onTick(seconds: number): void;
  }): Promise<string | undefined>;
}

/** As `findNatsServer`, but fetches what is missing. Rejects with what to install. */
export function ensureNatsServer(options: {
  readonly log: (line: string) => void;
  readonly sources?: readonly NatsServerSource[];
}): Promise<string>;

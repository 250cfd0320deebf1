/**
 * Statement case — one test of a whole broker, with the statements that it shows in each version.
 *
 * Cases are data, so that docs/conformance.md can be made from them and one run can have them
 * several times: with all clients on one gateway, with clients on different ones, with clients that
 * move at each connect. Each gets clients, topics and sessions of its own: cases run side by side.
 */
import { describe, test } from 'node:test';
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import { Clients } from './clients.ts';
import type { Broker, Spread } from './clients.ts';

export interface StatementCase {
  /** Numbers without `MQTT-`; a version without a list has no such test. */
  readonly v5?: readonly string[];
  readonly v4?: readonly string[];
  readonly says: string;
  run(clients: Clients, version: Version): Promise<void>;
}

/** Most of a case is waiting for the broker. */
const SIDE_BY_SIDE = 8;

export function versionsOf({ v4, v5 }: StatementCase): Version[] {
  return [...(v4 === undefined ? [] : [4 as const]), ...(v5 === undefined ? [] : [5 as const])];
}

export function statementsOf(each: StatementCase, version: Version): string[] {
  return ((version === 4 ? each.v4 : each.v5) ?? []).map((number) => `MQTT-${number}`);
}

export function titleOf(each: StatementCase, version: Version): string {
  const tags = statementsOf(each, version).map((id) => `[${id}] `);
  return `MQTT ${version === 4 ? '3.1.1' : '5.0'} ${tags.join('')}${each.says}`;
}

/** Registers the cases once for each spread. */
export function runCases(
  cases: readonly StatementCase[],
  broker: () => Broker,
  spreads: readonly Spread[],
): void {
  for (const spread of spreads) {
    describe(`clients ${spread}`, { concurrency: SIDE_BY_SIDE }, () => {
      for (const [number, each] of cases.entries()) {
        for (const version of versionsOf(each)) {
          test(titleOf(each, version), async () => {
            const clients = new Clients(broker, spread, `${spread}-${number}-${version}-`);
            try {
              await each.run(clients, version);
            } finally {
              clients.close();
            }
          });
        }
      }
    });
  }
}

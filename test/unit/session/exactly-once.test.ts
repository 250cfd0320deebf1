/** Exactly once over random histories: a real session between models of client and core. */
import { test } from 'node:test';
import fc from 'fast-check';
import { LossyHistory } from './lossy-history.ts';

type Step =
  | { readonly do: 'message'; readonly qos: 1 | 2 }
  | { readonly do: 'publish' | 'server' | 'core' | 'connect' }
  | { readonly do: 'client'; readonly refuses: boolean }
  | { readonly do: 'disconnect'; readonly kept: number; readonly isOrderly: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('message' as const),
      qos: fc.constantFrom(1 as const, 2 as const, 2 as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('publish' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('server' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('core' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('client' as const),
      refuses: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('disconnect' as const),
      kept: fc.nat({ max: 6 }),
      isOrderly: fc.boolean(),
    }),
  },
);

function run(history: LossyHistory, each: Step): void {
  if (each.do === 'message') history.message(each.qos);
  else if (each.do === 'client') history.clientReads(each.refuses);
  else if (each.do === 'disconnect') history.disconnect(each.kept, each.isOrderly);
  else if (each.do === 'publish') history.publish();
  else if (each.do === 'server') history.serverReads();
  else if (each.do === 'core') history.coreStores();
  else history.connect();
}

test('each QoS 2 message is taken once, in both directions, whatever is lost between', () => {
  const steps = fc.array(step, { minLength: 20, maxLength: 300 });
  const window = fc.integer({ min: 1, max: 5 });
  fc.assert(
    fc.property(fc.constantFrom(4 as const, 5 as const), window, steps, (version, size, all) => {
      const history = new LossyHistory(version, size);
      history.connect();
      for (const each of all) {
        run(history, each);
        history.checkQuota();
      }
      history.drain();
      history.check();
    }),
    { numRuns: 2_000 },
  );
});

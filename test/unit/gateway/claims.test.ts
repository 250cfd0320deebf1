/**
 * Claims of client identifiers: tables of gateways against the home that decides, over lost and
 * late messages and changes of owner. One holder per identifier, and in the end nothing is held
 * for nobody.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Reason } from '#base';
import type { ClaimDecision, GatewayMessage } from '#frames';
import { type Ending, HomeClaims } from '../../../services/dispatcher/home-claims.ts';
import { ClaimTable } from '../../../services/gateway/claim-table.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { RecordingClient } from './local-client.ts';

type Decision = 'granted' | Reason;
type ToGateway = { epoch: number } & (
  | { readonly t: 'decision'; readonly decision: ClaimDecision }
  | { readonly t: 'end'; readonly connection: number; readonly reason: Reason }
);

const ASK_AGAIN_MS = 500;

/** A gateway's table, the links to its home, and what its clients saw. */
class Gateway {
  readonly name: string;
  readonly toHome: GatewayMessage[] = [];
  readonly fromHome: ToGateway[] = [];
  readonly decisions = new Map<RecordingClient, Decision>();
  readonly open = new Set<RecordingClient>();
  epoch = 1;
  readonly table: ClaimTable;

  constructor(name: string) {
    this.name = name;
    this.table = new ClaimTable({
      incarnation: name,
      partitions: 1,
      send: (_home, message) => this.toHome.push(message),
    });
  }

  connect(client: RecordingClient, nowMs: number): void {
    this.open.add(client);
    this.table.claim(client, nowMs, (decision) => {
      assert.ok(!this.decisions.has(client), 'decided once');
      assert.ok(typeof decision === 'string');
      this.decisions.set(client, decision);
      if (decision !== 'granted') this.disconnect(client, nowMs);
    });
  }

  disconnect(client: RecordingClient, nowMs: number): void {
    if (this.open.delete(client)) this.table.release(client, nowMs, true);
  }

  take(message: ToGateway, nowMs: number): void {
    if (message.epoch !== this.epoch) return;
    if (message.t === 'decision') this.table.decided(message.decision, nowMs);
    else this.table.end(message.connection, 0, message.reason, nowMs);
    for (const client of this.open) if (client.closed.length > 0) this.disconnect(client, nowMs);
  }

  get granted(): RecordingClient[] {
    return [...this.open].filter((client) => this.decisions.get(client) === 'granted');
  }
}

class World {
  nowMs = 0;
  readonly gateways: Gateway[];
  home: HomeClaims;
  #epoch = 1;
  readonly #random: () => number;
  #connections = 0;

  constructor(seed: number, gateways: number) {
    this.#random = seededRandom(seed);
    this.gateways = Array.from({ length: gateways }, (_, i) => new Gateway(`g${i}`));
    this.home = this.#newHome();
  }

  #newHome(): HomeClaims {
    const epoch = this.#epoch;
    return new HomeClaims(epoch, ({ incarnation, connection, reason }: Ending) => {
      const gateway = this.gateways.find(({ name }) => name === incarnation);
      gateway?.fromHome.push({ t: 'end', epoch, connection, reason });
    });
  }

  connect(index: number, identifier: string, name: string): void {
    const gateway = this.gateways[index % this.gateways.length] as Gateway;
    gateway.connect(new RecordingClient(++this.#connections, identifier, name), this.nowMs);
  }

  disconnectOne(draw: number): void {
    const open = this.gateways.flatMap((g) => [...g.open].map((client) => ({ g, client })));
    const one = open[draw % Math.max(1, open.length)];
    one?.g.disconnect(one.client, this.nowMs);
  }

  /** An operator ends who holds the identifier. */
  cut(clientIdentifier: string): void {
    const holder = this.home.holder(clientIdentifier);
    if (holder !== undefined) this.home.disconnect(clientIdentifier, holder);
  }

  /** A new owner: nobody trusts the old one once it has named what it holds (protocol 17). */
  changeOwner(): void {
    this.#epoch++;
    this.home = this.#newHome();
    for (const gateway of this.gateways) {
      gateway.epoch = this.#epoch;
      // What was asked before was said to the old one.
      gateway.toHome.length = 0;
      this.home.learn(gateway.name, gateway.table.heldIn(0));
    }
  }

  /** Hands over a piece of what is on its way; the rest is late. */
  run(spanMs: number, loss: number): void {
    this.nowMs += spanMs;
    for (const gateway of this.gateways) {
      gateway.table.tick(this.nowMs);
      this.#move(gateway.toHome, loss, (message) => this.#atHome(gateway, message));
      this.#move(gateway.fromHome, loss, (message) => gateway.take(message, this.nowMs));
    }
    if (this.#random() < 0.3) this.home.repeatEndings();
  }

  #move<T>(link: T[], loss: number, take: (message: T) => void): void {
    const count = loss === 0 ? link.length : Math.floor(this.#random() * (link.length + 1));
    for (const message of link.splice(0, count)) if (this.#random() >= loss) take(message);
  }

  #atHome(gateway: Gateway, message: GatewayMessage): void {
    const { name } = gateway;
    const epoch = this.#epoch;
    const tell = (decision: ClaimDecision): void => {
      gateway.fromHome.push({ t: 'decision', epoch, decision });
    };
    if (message.t === 'claim') {
      const { connection, clientIdentifier, authenticationName } = message;
      tell(this.home.claim(name, connection, clientIdentifier, authenticationName));
    } else if (message.t === 'release') {
      tell(this.home.release(name, message.connection, message.clientIdentifier));
    }
  }

  settle(): void {
    for (let i = 0; i < 20; i++) {
      this.home.repeatEndings();
      this.run(ASK_AGAIN_MS, 0);
    }
  }
}

const step = fc.oneof(
  fc.record({
    t: fc.constant('connect' as const),
    gateway: fc.nat(2),
    identifier: fc.constantFrom('a', 'b'),
    name: fc.constantFrom('n', 'N', 'other'),
  }),
  fc.record({ t: fc.constant('disconnect' as const), draw: fc.nat(20) }),
  fc.record({ t: fc.constant('cut' as const), identifier: fc.constantFrom('a', 'b') }),
  fc.record({ t: fc.constant('run' as const), spanMs: fc.constantFrom(1, 100, 600) }),
  fc.record({ t: fc.constant('owner' as const) }),
);

describe('claims', () => {
  it('leave one holder per identifier, and none without a client', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom(0, 0.2, 0.4),
        fc.array(step, { maxLength: 60 }),
        (seed, loss, steps) => {
          const world = new World(seed, 3);
          for (const one of steps) {
            if (one.t === 'connect') world.connect(one.gateway, one.identifier, one.name);
            else if (one.t === 'disconnect') world.disconnectOne(one.draw);
            else if (one.t === 'owner') world.changeOwner();
            else if (one.t === 'cut') world.cut(one.identifier);
            else world.run(one.spanMs, loss);
          }
          world.settle();
          const granted = world.gateways.flatMap((gateway) => gateway.granted);
          const identifiers = granted.map((client) => client.clientIdentifier);
          assert.equal(new Set(identifiers).size, identifiers.length, 'held twice');
          assert.equal(world.home.size, granted.length, 'held for nobody');
          for (const gateway of world.gateways) {
            assert.equal(gateway.table.size, gateway.open.size, 'all releases are known');
            for (const client of gateway.open) assert.ok(gateway.decisions.has(client), 'decided');
            assert.ok(!gateway.table.unanswered(0, world.nowMs + 60_000));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('give back what is granted after it was refused', () => {
    const gateway = new Gateway('g');
    const client = new RecordingClient(1, 'a', 'n');
    const home = new HomeClaims(1, () => undefined);
    home.claim('elsewhere', 1, 'a', 'other');
    gateway.connect(client, 0);
    gateway.table.tick(ASK_AGAIN_MS);
    assert.equal(gateway.toHome.length, 2, 'asked twice');
    const first = home.claim('g', 1, 'a', 'n');
    home.release('elsewhere', 1, 'a');
    const second = home.claim('g', 1, 'a', 'n');
    assert.ok('granted' in first && !first.granted && 'granted' in second && second.granted);
    gateway.table.decided(first, 600);
    assert.equal(gateway.decisions.get(client), 'session_name_owned');
    gateway.table.decided(second, 700);
    const release = gateway.toHome.at(-1);
    assert.ok(release?.t === 'release' && release.clientIdentifier === 'a');
    gateway.table.decided(home.release('g', 1, 'a'), 800);
    assert.deepEqual([home.size, gateway.table.size], [0, 0]);
  });

  it('say who they were when an ended connection is told to end', () => {
    const gateway = new Gateway('g');
    gateway.table.end(77, 0, 'session_taken_over', 0);
    assert.deepEqual(gateway.toHome, [
      { t: 'release', inc: 'g', connection: 77, clientIdentifier: '' },
    ]);
  });

  it('show what stays unanswered, and name only what is held', () => {
    const gateway = new Gateway('g');
    const [held, asked] = [new RecordingClient(1, 'a'), new RecordingClient(2, 'b')];
    gateway.connect(held, 0);
    gateway.connect(asked, 0);
    gateway.table.decided({ connection: 1, granted: true, rank: [1, 5] }, 10);
    const name = 'name';
    const wanted = { clientIdentifier: 'a', authenticationName: name, connection: 1, rank: [1, 5] };
    assert.deepEqual(gateway.table.heldIn(0), [wanted]);
    assert.deepEqual(gateway.table.heldIn(1), []);
    assert.ok(!gateway.table.unanswered(0, 2_000));
    assert.ok(gateway.table.unanswered(0, 2_001));
    assert.ok(!gateway.table.unanswered(1, 9_000));
    gateway.disconnect(held, 3_000);
    assert.deepEqual(gateway.table.heldIn(0), []);
  });
});

describe('HomeClaims', () => {
  it('lets the higher rank win when gateways name the same identifier', () => {
    const endings: string[] = [];
    const home = new HomeClaims(9, ({ incarnation, connection }) => {
      endings.push(`${incarnation} ${connection}`);
    });
    const held = (connection: number, rank: readonly [number, number]) => [
      { clientIdentifier: 'a', authenticationName: 'n', connection, rank },
    ];
    home.learn('g1', held(1, [3, 7]));
    home.learn('g2', held(2, [4, 1]));
    home.learn('g3', held(3, [4, 0]));
    assert.deepEqual(endings, ['g1 1', 'g3 3']);
    assert.equal(home.size, 1);
    home.gatewayEnded('g1');
    home.repeatEndings();
    assert.deepEqual(endings.slice(2), ['g3 3']);
    home.release('g3', 3, '');
    home.repeatEndings();
    assert.equal(endings.length, 3);
    home.gatewayEnded('g2');
    assert.equal(home.size, 0);
  });
});

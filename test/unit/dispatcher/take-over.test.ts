/** Dispatch begins when all live gateways have answered and their filters are known. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { InterestTable } from '#interest';
import type { FrameChannel } from '#frames';
import { PartitionLink } from '../../../services/dispatcher/partition-link.ts';
import { GatewayLine } from '../../../services/dispatcher/switchboard.ts';
import { TakeOver } from '../../../services/dispatcher/take-over.ts';

let links: Map<string, PartitionLink>;
let versions: Map<string, number>;
let required: string[];
let hellos: string[];
let begun: number;
let takeOver: TakeOver;

beforeEach(() => {
  links = new Map();
  versions = new Map();
  required = [];
  hellos = [];
  begun = 0;
  const interest: Pick<InterestTable, 'version' | 'require'> = {
    version: (incarnation) => versions.get(incarnation) ?? -1,
    require: (incarnation, version) => required.push(`${incarnation} ${version}`),
  };
  takeOver = new TakeOver({
    links,
    interest: interest as InterestTable,
    hello: (incarnation) => hellos.push(incarnation),
  });
});

function add(incarnation: string): PartitionLink {
  const link = new PartitionLink(new GatewayLine(incarnation, links.size, {} as FrameChannel));
  link.phase = 'asked';
  links.set(incarnation, link);
  return link;
}

function start(): void {
  takeOver.start(() => begun++);
}

describe('TakeOver', () => {
  it('begins at once when nobody lives', () => {
    start();
    assert.equal(begun, 1);
  });

  it('waits for every answer, and for the filters that it names', () => {
    const [a, b] = [add('a'), add('b')];
    start();
    assert.deepEqual([hellos, begun], [['a', 'b'], 0]);
    a.phase = 'ready';
    a.namedVersion = 4;
    takeOver.tick();
    assert.deepEqual(hellos, ['a', 'b', 'b'], 'hello again only to who is silent');
    versions.set('a', 3);
    b.phase = 'idle';
    takeOver.check();
    assert.deepEqual([begun, required.at(-1)], [0, 'a 4']);
    versions.set('a', 4);
    takeOver.check();
    assert.equal(begun, 1);
    takeOver.check();
    takeOver.tick();
    assert.equal(begun, 1, 'begins once');
  });

  it('does not wait for who is gone, nor for one that joins meanwhile', () => {
    const a = add('a');
    add('b');
    start();
    a.phase = 'ready';
    versions.set('a', 0);
    add('young').phase = 'idle';
    links.delete('b');
    takeOver.check();
    assert.equal(begun, 1);
  });
});

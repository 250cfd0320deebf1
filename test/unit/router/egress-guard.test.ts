import assert from 'node:assert/strict';
import test from 'node:test';
import {
  EGRESS_FORBIDDEN,
  guardedLookup,
  isPublicAddress,
  urlFault,
} from '../../../services/router/egress-guard.ts';

const PRIVATE = [
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '127.0.0.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '192.0.2.1',
  '198.18.0.1',
  '::1',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd12::1',
  'ff02::1',
  'fec0::1',
  '::ffff:10.0.0.1',
  '::ffff:127.0.0.1',
  '::10.0.0.1',
  '64:ff9b::a00:1',
  '2002:a00:1::1',
  '2001:db8::1',
  '4000::1',
  'not an address',
  '',
];

test('only addresses of the public internet are public', () => {
  for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
  for (const address of ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8']) {
    assert.equal(isPublicAddress(address), true, address);
  }
});

test('a URL is refused for its scheme, credentials or literal address', () => {
  const rows: [string, string | undefined, string | undefined][] = [
    ['https://example.org/hook?code=1', undefined, undefined],
    ['http://example.org/hook', 'not https', undefined],
    ['ftp://example.org/', 'not https', 'not https'],
    ['https://user:secret@example.org/', 'credentials in the URL', 'credentials in the URL'],
    ['https://127.0.0.1/', 'address is not public', undefined],
    ['https://[::1]:8443/', 'address is not public', undefined],
    ['https://[::ffff:10.0.0.1]/', 'address is not public', undefined],
    ['https://2130706433/', 'address is not public', undefined],
    ['https://0x7f.1/', 'address is not public', undefined],
    ['https://8.8.8.8/', undefined, undefined],
    ['nonsense', 'not a URL', 'not a URL'],
  ];
  for (const [url, strict, open] of rows) {
    assert.equal(urlFault(url, false), strict, url);
    assert.equal(urlFault(url, true), open, url);
  }
});

function look(allowPrivate: boolean, addresses: string[], all: boolean): Promise<unknown> {
  const resolved = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const guarded = guardedLookup(allowPrivate, (_name, done) => done(null, resolved));
  return new Promise((resolve) => {
    guarded('host.example', { all }, (fault, address) => {
      resolve(fault === null ? address : fault.code);
    });
  });
}

test('a name is refused when any of its addresses is not public', async () => {
  assert.equal(await look(false, ['8.8.8.8'], false), '8.8.8.8');
  assert.deepEqual(await look(false, ['8.8.8.8'], true), [{ address: '8.8.8.8', family: 4 }]);
  assert.equal(await look(false, ['8.8.8.8', '10.0.0.1'], true), EGRESS_FORBIDDEN);
  assert.equal(await look(false, ['8.8.8.8', '::1'], false), EGRESS_FORBIDDEN);
  assert.equal(await look(true, ['10.0.0.1'], false), '10.0.0.1');
  assert.equal(await look(false, [], false), 'ENOTFOUND');
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkText } from '../../../scripts/tidy/text-rule.ts';
import { Tree } from '../../../scripts/tidy/tree.ts';

function says(path: string, text: string): string {
  return checkText(new Tree({ [path]: text }))
    .map((finding) => `${finding.line} ${finding.says}`)
    .join('\n');
}

describe('planted text is found', () => {
  const faults: [path: string, text: string, wanted: RegExp][] = [
    ['README.md', 'see\nhttps://registry.npmjs.org/x', /^2 names the host/],
    ['docs/a.md', 'from https://files.pythonhosted.org/p', /host/],
    ['deploy/Dockerfile', 'ENV GOPROXY=https://proxy.golang.org', /host/],
    ['lib/log/a.ts', "const p = '/home/mary/weir';", /one machine: \/home\/mary/],
    ['docs/a.md', 'run /root/bin/x', /one machine/],
    ['docs/a.md', '(/Users/x/weir)', /one machine/],
    ['test/unit/a.test.ts', "spawn('/tmp/natsdl/nats-server')", /temporary/],
    ['lib/log/a.ts', '// TODO: later', /issue/],
    ['a.md', `${'<'.repeat(7)} HEAD\n`, /merge/],
    ['package-lock.json', '{\n "resolved": "https://mirror.example/x.tgz"}', /^2 names where/],
  ];
  for (const [path, text, wanted] of faults) {
    test(text, () => assert.match(says(path, text), wanted));
  }
});

test('ordinary text is left alone', () => {
  const text =
    'GET /namespaces/default/work/x, a/home/b, ${dir}/tmp/x, https://host.example/root/a';
  assert.equal(says('docs/a.md', text), '');
  assert.equal(says('lib/log/a.ts', '// TODO(#12): lanes'), '');
  assert.equal(says('package-lock.json', '{"version": "1.0.0"}'), '');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blankSource } from '../../../scripts/tidy/source-text.ts';

test('comments and strings are blanked in place', () => {
  const text = "a = 'x//y'; // c\n/* d\n */ b = `p${q('r')}s${`t${u}`}`;";
  const { code, bare } = blankSource(text);
  assert.equal(code, "a = 'x//y';     \n    \n    b = `p${q('r')}s${`t${u}`}`;");
  assert.equal(bare, "a = '    ';     \n    \n    b = ` ${q(' ')} ${` ${u}`}`;");
  assert.equal(code.length, text.length);
});

test('a regular expression is told from a division', () => {
  const view = (text: string) => blankSource(text).bare;
  assert.equal(view('x = /[\'"]/g; y'), 'x = /    /g; y');
  assert.equal(view("return /[/'];/.test(z)"), 'return /     /.test(z)');
  assert.equal(view("(a + b) / 2; c = 'd' / e; f"), "(a + b) / 2; c = ' ' / e; f");
  assert.equal(view("'it\\'s' + x"), "'     ' + x");
});

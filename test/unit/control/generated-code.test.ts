import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { tableFaults } from '#runtime';
import { COLLECTIONS, methodsOf, SERVED, SESSIONS } from '../../../services/control/collections.ts';
import {
  CONTROL_SETTINGS,
  isLoopback,
  loadControlConfig,
} from '../../../services/control/config.ts';
import { httpPatternOf, matchPath } from '../../../services/control/http-rule.ts';

const SCRIPT = join(import.meta.dirname, '../../../scripts/proto.mjs');

test('the committed code is what proto/ says, and proto/ keeps its style', () => {
  for (const mode of ['--check', '--lint']) {
    const { status, stderr } = spawnSync(process.execPath, [SCRIPT, mode], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
});

test('every collection has five methods, each with a path of its own', () => {
  const paths = new Set<string>();
  for (const { kind, one, service } of COLLECTIONS) {
    const methods = methodsOf(service);
    assert.equal(methods.length, 5);
    for (const [action, method] of methods) {
      const pattern = httpPatternOf(method);
      assert.ok(pattern !== undefined, method.name);
      paths.add(`${pattern.verb} ${JSON.stringify(pattern.segments)}`);
      const path = ['v1', 'namespaces', 'default', kind];
      if (action !== 'create' && action !== 'list') path.push('x');
      assert.ok(matchPath(pattern, path) !== undefined, method.name);
      assert.equal(matchPath(pattern, [...path, 'y', 'z']), undefined);
      const hasBody = action === 'create' || action === 'update';
      assert.equal(pattern.body, hasBody ? one : '');
    }
  }
  assert.equal(paths.size, COLLECTIONS.length * 5);
});

test('sessions are got, listed, disconnected and deleted; no method is left without a path', () => {
  const actions = methodsOf(SESSIONS.service).map(([action]) => action);
  assert.deepEqual(actions, ['get', 'list', 'disconnect', 'delete']);
  for (const { service } of SERVED) {
    const methods = methodsOf(service);
    assert.equal(methods.length, service.methods.length);
    for (const [, method] of methods) assert.ok(httpPatternOf(method) !== undefined, method.name);
  }
});

test('settings are sound, and the API listens on loopback only', () => {
  assert.deepEqual(tableFaults(CONTROL_SETTINGS), []);
  assert.equal(loadControlConfig({}).partitions, 2);
  assert.throws(() => loadControlConfig({ WEIR_HTTP_HOST: '0.0.0.0' }), /loopback/);
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]']) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ['', '127.0.0.1.example', '10.0.0.1', 'localhost.example']) {
    assert.ok(!isLoopback(host), host);
  }
});

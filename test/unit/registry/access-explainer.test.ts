import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AccessCompiler } from '../../../lib/registry/access-compiler.ts';
import { explainAccess } from '../../../lib/registry/access-explainer.ts';
import type { Identity } from '../../../lib/registry/directory.ts';
import { resourceSubject } from '../../../lib/registry/names.ts';
import { encodeRecord } from '../../../lib/registry/record.ts';
import { RegistryImage } from '../../../lib/registry/registry-image.ts';
import type { ResourceKind } from '../../../lib/registry/resources.ts';
import { validateSpec } from '../../../lib/registry/validation.ts';

function put(image: RegistryImage, kind: ResourceKind, name: string, json: unknown): void {
  const validated = validateSpec(kind, name, json);
  assert.ok(validated.ok, JSON.stringify(validated));
  const payload = encodeRecord({ writeId: 'w', spec: validated.spec });
  const sequence = image.position + 1;
  const subject = resourceSubject(kind, name);
  const message = { sequence, subject, payload, storedAtMs: 0, deleted: false };
  image.apply(message as Parameters<RegistryImage['apply']>[0]);
}

const level = fc.constantFrom(
  'a',
  'b',
  '+',
  '${client.attributes.x}',
  '${client.authenticationName}',
);
const template = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'));
const binding = fc.record({
  group: fc.constantFrom('$all', 'ones', 'twos'),
  space: fc.constantFrom('first', 'second'),
  permission: fc.constantFrom('Publisher', 'Subscriber'),
  effect: fc.constantFrom('Allow', 'Allow', 'Deny'),
});
const topic = fc.array(fc.constantFrom('a', 'b', 'dev'), { minLength: 1, maxLength: 4 });

test('the explanation says what the gateways decide', () => {
  const templates = fc.array(template, { minLength: 1, maxLength: 3 });
  const bindings = fc.array(binding, { maxLength: 4 });
  fc.assert(
    fc.property(templates, templates, bindings, topic, (first, second, list, levels) => {
      const image = new RegistryImage();
      put(image, 'clients', 'dev', { attributes: { x: ['a', 'b'], n: 1 } });
      put(image, 'clientGroups', 'ones', { query: 'attributes.n = 1' });
      put(image, 'clientGroups', 'twos', { query: 'attributes.n = 2' });
      put(image, 'topicSpaces', 'first', { topicTemplates: first });
      put(image, 'topicSpaces', 'second', { topicTemplates: second });
      list.forEach(({ group: clientGroupName, space: topicSpaceName, ...rest }, index) => {
        const spec = { clientGroupName, topicSpaceName, ...rest };
        put(image, 'permissionBindings', `binding-${index}`, spec);
      });
      const client = image.get('clients', 'dev');
      assert.ok(client !== undefined);
      const { authenticationName, attributes } = client.spec;
      const identity = {
        clientName: 'dev',
        authenticationName,
        attributes,
        source: 'token',
      } as const;
      const access = new AccessCompiler(image).accessOf(identity);
      const name = levels.join('/');
      const { allowed } = explainAccess(image, client, 'publish', name);
      assert.equal(allowed, access.mayPublish(name));
      for (const filter of [name, `${name}/#`, `+/${name}`]) {
        const told = explainAccess(image, client, 'subscribe', filter);
        assert.equal(told.allowed, access.maySubscribe(filter), filter);
      }
    }),
  );
});

test('what a binding denies no other allows, and no wider subscription brings', () => {
  const image = new RegistryImage();
  put(image, 'clients', 'dev', {});
  put(image, 'topicSpaces', 'all', { topicTemplates: ['sites/#'] });
  put(image, 'topicSpaces', 'secret', { topicTemplates: ['sites/+/secret/#'] });
  const deny = { clientGroupName: '$all', topicSpaceName: 'secret', effect: 'Deny' };
  for (const permission of ['Publisher', 'Subscriber']) {
    const spec = { clientGroupName: '$all', topicSpaceName: 'all', permission };
    put(image, 'permissionBindings', `allow-${permission}`, spec);
    put(image, 'permissionBindings', `deny-${permission}`, { ...deny, permission });
  }
  const identity: Identity = {
    ...{ clientName: 'dev', authenticationName: 'dev', attributes: {} },
    source: 'token',
  };
  const access = new AccessCompiler(image).accessOf(identity);
  assert.equal(access.mayPublish('sites/a/open'), true);
  assert.equal(access.mayPublish('sites/a/secret/x'), false);
  assert.equal(access.maySubscribe('sites/+/open'), true);
  for (const filter of ['sites/#', 'sites/a/+', 'sites/+/secret/x', 'sites/a/secret']) {
    assert.equal(access.maySubscribe(filter), false, filter);
  }
  const client = image.get('clients', 'dev');
  assert.ok(client !== undefined);
  const told = explainAccess(image, client, 'publish', 'sites/a/secret/x');
  assert.match(told.explanation, /^binding deny-Publisher denies group \$all template/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AccessCompiler } from '../../../lib/registry/access-compiler.ts';
import { explainAccess } from '../../../lib/registry/access-explainer.ts';
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
      list.forEach(({ group: clientGroupName, space: topicSpaceName, permission }, index) => {
        const spec = { clientGroupName, topicSpaceName, permission };
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

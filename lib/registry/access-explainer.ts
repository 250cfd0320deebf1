/**
 * Access explainer — would a client be allowed, and which group, space and binding decide?
 *
 * Rule: the parts that `access-compiler.ts` is made of, asked one binding at a time, so that the
 *       answer is the gateways' own. For people: it costs a walk through all bindings.
 */
import {
  compileTemplate,
  expandTemplate,
  filterCovers,
  filtersOverlap,
  topicMatchesFilter,
} from '#topics';
import { groupOf } from './access-compiler.ts';
import type { GroupQuery } from './group-query.ts';
import type { RegistryImage } from './registry-image.ts';
import { ALL_CLIENTS_GROUP } from './resources.ts';
import type { ClientSpec, Effect, Resource } from './resources.ts';

/** Bindings told in one answer. */
export const BINDINGS_TOLD_MAX = 1_000;

export const ACCESS_OPERATIONS = ['publish', 'subscribe'] as const;
export type AccessOperation = (typeof ACCESS_OPERATIONS)[number];

export interface BindingCheck {
  readonly permissionBindingName: string;
  readonly clientGroupName: string;
  readonly topicSpaceName: string;
  readonly isMember: boolean;
  readonly effect: Effect;
  /** Empty: none covers the topic. */
  readonly topicTemplate: string;
  /** The template with the client's values. */
  readonly topicFilter: string;
}

export interface AccessExplanation {
  readonly allowed: boolean;
  readonly explanation: string;
  readonly bindings: readonly BindingCheck[];
}

/** `topic`: a valid topic name or, to subscribe, a valid topic filter. */
export function explainAccess(
  image: RegistryImage,
  client: Resource<'clients'>,
  operation: AccessOperation,
  topic: string,
): AccessExplanation {
  const wanted = operation === 'publish' ? 'Publisher' : 'Subscriber';
  const isPublish = operation === 'publish';
  const touches = {
    Allow: isPublish ? matches : filterCovers,
    Deny: isPublish ? matches : filtersOverlap,
  };
  const bindings: BindingCheck[] = [];
  for (const name of image.names('permissionBindings')) {
    const spec = image.get('permissionBindings', name)?.spec;
    if (spec === undefined || spec.permission !== wanted) continue;
    const { clientGroupName, topicSpaceName, effect = 'Allow' } = spec;
    const isMember = groupNamed(image, clientGroupName)?.(client.spec) === true;
    const found = coveringTemplate(image, topicSpaceName, client.spec, (f) =>
      touches[effect](f, topic),
    );
    bindings.push({
      ...{ permissionBindingName: name, clientGroupName, topicSpaceName, isMember, effect },
      ...found,
    });
  }
  const concerning = bindings.filter((one) => one.isMember && one.topicTemplate !== '');
  const deciding = concerning.find(({ effect }) => effect === 'Deny') ?? concerning[0];
  const isEnabled = client.spec.state === 'Enabled';
  return {
    allowed: deciding?.effect === 'Allow' && isEnabled,
    explanation: explain(client, deciding, bindings),
    bindings: bindings.slice(0, BINDINGS_TOLD_MAX),
  };
}

function explain(
  client: Resource<'clients'>,
  deciding: BindingCheck | undefined,
  bindings: readonly BindingCheck[],
): string {
  if (client.spec.state !== 'Enabled') return `client ${client.name} is disabled`;
  if (deciding !== undefined) {
    const { permissionBindingName, clientGroupName, topicSpaceName, topicTemplate } = deciding;
    const space = `template ${topicTemplate} of topic space ${topicSpaceName}`;
    const verb = deciding.effect === 'Deny' ? 'denies' : 'gives';
    return `binding ${permissionBindingName} ${verb} group ${clientGroupName} ${space}`;
  }
  const byDefault = 'what no binding allows is denied';
  if (bindings.length === 0) return `there is no binding for this operation: ${byDefault}`;
  const memberOf = bindings.filter(({ isMember }) => isMember).length;
  if (memberOf === 0) return `the client is in no group that a binding names: ${byDefault}`;
  return `no template of the client's ${memberOf} binding(s) covers the topic: ${byDefault}`;
}

function matches(filter: string, topic: string): boolean {
  return topicMatchesFilter(topic, filter);
}

function groupNamed(image: RegistryImage, name: string): GroupQuery | undefined {
  return name === ALL_CLIENTS_GROUP ? () => true : groupOf(image, name);
}

function coveringTemplate(
  image: RegistryImage,
  topicSpaceName: string,
  client: ClientSpec,
  covers: (filter: string) => boolean,
): Pick<BindingCheck, 'topicTemplate' | 'topicFilter'> {
  const templates = image.get('topicSpaces', topicSpaceName)?.spec.topicTemplates ?? [];
  for (const topicTemplate of templates) {
    const compiled = compileTemplate(topicTemplate);
    if (!compiled.ok) continue;
    const topicFilter = expandTemplate(compiled.template, client).find(covers);
    if (topicFilter !== undefined) return { topicTemplate, topicFilter };
  }
  return { topicTemplate: '', topicFilter: '' };
}

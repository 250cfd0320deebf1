/**
 * Access compiler — groups × bindings × topic spaces, worked out for one identity.
 *
 * Rule:  allowed is what a template of a space allows that is bound to a group of the identity,
 *        with the client's values put in (event-grid §8, §9). No binding: denied. What a binding
 *        denies no other allows; a subscription must not even overlap it.
 * Cost:  once per identity and generation: one query per bound group, one expansion per template.
 *        A decision walks the identity's filters; gateways cache it per connection and topic.
 * Same rules give the same object again, so that a change elsewhere costs an open connection
 * nothing.
 */
import {
  compileTemplate,
  expandTemplate,
  filterCovers,
  filtersOverlap,
  topicMatchesFilter,
} from '#topics';
import type { TopicTemplate } from '#topics';
import type { Access, Identity } from './directory.ts';
import { parseGroupQuery } from './group-query.ts';
import type { GroupQuery } from './group-query.ts';
import type { RegistryImage } from './registry-image.ts';
import { ALL_CLIENTS_GROUP, PERMISSIONS } from './resources.ts';
import type { Permission } from './resources.ts';

/** Bindings resolved to what they mean; made anew with each generation of the registry. */
interface Rule {
  readonly group: GroupQuery;
  readonly permission: Permission;
  readonly denies: boolean;
  readonly templates: readonly TopicTemplate[];
}

interface Compiled {
  readonly generation: number;
  readonly access: FilterAccess;
}

export class AccessCompiler {
  readonly #image: RegistryImage;
  #generation = 0;
  #rules: readonly Rule[] | undefined;
  readonly #compiled = new WeakMap<Identity, Compiled>();

  constructor(image: RegistryImage) {
    this.#image = image;
  }

  /** Groups, topic spaces or bindings changed. */
  invalidate(): void {
    this.#generation++;
    this.#rules = undefined;
  }

  accessOf(identity: Identity): Access {
    const before = this.#compiled.get(identity);
    if (before?.generation === this.#generation) return before.access;
    const made = this.#compile(identity);
    const access = before !== undefined && before.access.isLike(made) ? before.access : made;
    this.#compiled.set(identity, { generation: this.#generation, access });
    return access;
  }

  #compile(identity: Identity): FilterAccess {
    // Only what was authenticated is a client: an anonymous identity is in no group, not in $all.
    if (identity.source === 'anonymous') return NO_ACCESS;
    this.#rules ??= resolveRules(this.#image);
    const allowed = { Publisher: new Set<string>(), Subscriber: new Set<string>() };
    const denied = { Publisher: new Set<string>(), Subscriber: new Set<string>() };
    for (const { group, permission, denies, templates } of this.#rules) {
      if (!group(identity)) continue;
      const filters = (denies ? denied : allowed)[permission];
      for (const template of templates) {
        for (const filter of expandTemplate(template, identity)) filters.add(filter);
      }
    }
    return new FilterAccess(listsOf(allowed), listsOf(denied));
  }
}

type FilterLists = Readonly<Record<Permission, readonly string[]>>;

function listsOf({ Publisher, Subscriber }: Record<Permission, ReadonlySet<string>>): FilterLists {
  return { Publisher: [...Publisher], Subscriber: [...Subscriber] };
}

/** Filters of one identity. */
class FilterAccess implements Access {
  readonly #allowed: FilterLists;
  readonly #denied: FilterLists;

  constructor(allowed: FilterLists, denied: FilterLists) {
    this.#allowed = allowed;
    this.#denied = denied;
  }

  mayPublish(topic: string): boolean {
    for (const filter of this.#denied.Publisher)
      if (topicMatchesFilter(topic, filter)) return false;
    for (const filter of this.#allowed.Publisher)
      if (topicMatchesFilter(topic, filter)) return true;
    return false;
  }

  maySubscribe(topicFilter: string): boolean {
    for (const filter of this.#denied.Subscriber) {
      if (filtersOverlap(filter, topicFilter)) return false;
    }
    for (const filter of this.#allowed.Subscriber)
      if (filterCovers(filter, topicFilter)) return true;
    return false;
  }

  isLike(other: FilterAccess): boolean {
    return isSame(this.#allowed, other.#allowed) && isSame(this.#denied, other.#denied);
  }
}

const NO_FILTERS: FilterLists = { Publisher: [], Subscriber: [] };
const NO_ACCESS = new FilterAccess(NO_FILTERS, NO_FILTERS);

function isSame(one: FilterLists, other: FilterLists): boolean {
  return PERMISSIONS.every((permission) => isSameList(one[permission], other[permission]));
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((filter, index) => filter === other[index]);
}

function resolveRules(image: RegistryImage): Rule[] {
  const groups = new Map<string, GroupQuery>([[ALL_CLIENTS_GROUP, () => true]]);
  const rules: Rule[] = [];
  for (const { spec } of image.all('permissionBindings')) {
    const group = groups.get(spec.clientGroupName) ?? groupOf(image, spec.clientGroupName);
    const templates = templatesOf(image, spec.topicSpaceName);
    // A reference that leads nowhere says nothing; the API does not let one come about.
    if (group === undefined || templates.length === 0) continue;
    groups.set(spec.clientGroupName, group);
    const { permission, effect } = spec;
    rules.push({ group, permission, denies: effect === 'Deny', templates });
  }
  return rules;
}

/** Undefined: there is no such group. `$all` is not one of them. */
export function groupOf(image: RegistryImage, name: string): GroupQuery | undefined {
  const group = image.get('clientGroups', name);
  const parsed = group === undefined ? undefined : parseGroupQuery(group.spec.query);
  return parsed?.ok === true ? parsed.matches : undefined;
}

function templatesOf(image: RegistryImage, name: string): TopicTemplate[] {
  const templates: TopicTemplate[] = [];
  for (const text of image.get('topicSpaces', name)?.spec.topicTemplates ?? []) {
    const compiled = compileTemplate(text);
    if (compiled.ok) templates.push(compiled.template);
  }
  return templates;
}

/**
 * Topic templates of topic spaces — filters with variables of the client.
 *
 * Grammar: a topic filter whose levels may hold `${client.authenticationName}` or
 *          `${client.attributes.NAME}`, also with a literal suffix inside the braces:
 *          `${client.authenticationName|.factory1}`. Literal text may stand around a variable.
 * Safety:  a variable stays within one level and never becomes a wildcard: a value that is absent,
 *          empty or holds `/`, `+`, `#` or NUL gives no filter (default deny), nor does one that
 *          would make the filter begin with `$` (reserved). An array gives one filter per member.
 * Bounds:  EXPANSIONS_MAX filters per template and client; members beyond that give nothing.
 */
import { isTopicFilter } from './topic-filter.ts';

/** Filters one template may become for one client (arrays multiply). Range 1–65,536. */
export const EXPANSIONS_MAX = 1_024;

/** What a template needs to know of a client; `Identity` of the registry fits. */
export interface TemplateIdentity {
  readonly authenticationName: string;
  readonly attributes: Readonly<Record<string, string | number | readonly string[]>>;
}

interface Variable {
  /** Undefined: the authentication name. */
  readonly attribute: string | undefined;
}

/** Literal text and variables in turn, in the order in which they stand. */
export interface TopicTemplate {
  readonly text: string;
  readonly parts: readonly (string | Variable)[];
}

export type CompiledTemplate =
  | { readonly ok: true; readonly template: TopicTemplate }
  | { readonly ok: false; readonly why: string };

const VARIABLE = /\$\{([^}]*)\}/g;
const EXPRESSION = /^client\.(?:authenticationName|attributes\.([A-Za-z0-9_]+))(?:\|([^|]*))?$/;
/** What a value or suffix must not hold: it would leave its level or match more than itself. */
const UNSAFE = /[/+#\0]/;

/** Checks and compiles. `why` is a sentence for the author of the topic space. */
export function compileTemplate(text: string): CompiledTemplate {
  const parts: (string | Variable)[] = [];
  let from = 0;
  for (const found of text.matchAll(VARIABLE)) {
    const expression = EXPRESSION.exec(found[1] ?? '');
    if (expression === null) return { ok: false, why: `unknown variable ${found[0]}` };
    const suffix = expression[2] ?? '';
    if (UNSAFE.test(suffix)) return { ok: false, why: `${found[0]} must stay within one level` };
    if (found.index > from) parts.push(text.slice(from, found.index));
    parts.push({ attribute: expression[1] });
    if (suffix !== '') parts.push(suffix);
    from = found.index + found[0].length;
  }
  if (from < text.length) parts.push(text.slice(from));
  if (parts.some((part) => typeof part === 'string' && part.includes('${'))) {
    return { ok: false, why: 'a variable is not closed with }' };
  }
  // Any safe value stands in: a wildcard beside a variable in one level is found by this, too.
  const sample = parts.map((part) => (typeof part === 'string' ? part : 'v')).join('');
  if (!isTopicFilter(sample)) return { ok: false, why: 'not a valid topic filter' };
  if (sample.startsWith('$')) return { ok: false, why: 'topics that begin with $ are reserved' };
  return { ok: true, template: { text, parts } };
}

/** The filters that the template means with this client: none, one, or one per array member. */
export function expandTemplate(
  template: TopicTemplate,
  identity: TemplateIdentity,
): readonly string[] {
  let filters: string[] = [''];
  for (const part of template.parts) {
    const values = typeof part === 'string' ? [part] : valuesOf(part, identity);
    const longer: string[] = [];
    for (const filter of filters) {
      for (const value of values) {
        if (longer.length < EXPANSIONS_MAX) longer.push(filter + value);
      }
    }
    filters = longer;
  }
  return filters.filter((filter) => isTopicFilter(filter) && !filter.startsWith('$'));
}

function valuesOf(variable: Variable, identity: TemplateIdentity): readonly string[] {
  const { attribute } = variable;
  if (attribute === undefined) return safe([identity.authenticationName]);
  if (!Object.hasOwn(identity.attributes, attribute)) return [];
  const value = identity.attributes[attribute];
  if (value === undefined) return [];
  if (typeof value === 'string' || typeof value === 'number') return safe([String(value)]);
  return safe(value);
}

function safe(values: readonly string[]): readonly string[] {
  return values.filter((value) => value !== '' && !UNSAFE.test(value));
}

/**
 * HTTP rules — the `google.api.http` option of a method as a pattern that requests match.
 *
 * Grammar of a path here: segments between `/`, each a literal or `{field.path}`, which takes one
 * percent-decoded segment. (The public grammar has more; a rule that uses it fails at the start.)
 */
import assert from 'node:assert/strict';
import { getOption, hasOption } from '@bufbuild/protobuf';
import type { DescField, DescMessage, DescMethodUnary } from '@bufbuild/protobuf';
import { http } from './gen/google/api/annotations_pb.ts';

export interface HttpPattern {
  readonly verb: string;
  readonly segments: readonly PathSegment[];
  /** JSON name of the request's field that the body fills; empty = the request has no body. */
  readonly body: string;
}

export type PathSegment =
  | { readonly literal: string }
  /** JSON names from the request down to the field. */
  | { readonly field: readonly string[] };

/** Undefined: the method has no HTTP form. Asserts that the rule is one that is understood. */
export function httpPatternOf(method: DescMethodUnary): HttpPattern | undefined {
  if (!hasOption(method, http)) return undefined;
  const { pattern, body, additionalBindings } = getOption(method, http);
  assert.ok(pattern.case !== undefined && pattern.case !== 'custom', `${method.name}: pattern`);
  assert.equal(additionalBindings.length, 0, `${method.name}: additional bindings`);
  const [empty, ...parts] = pattern.value.split('/');
  assert.equal(empty, '', `${method.name}: the path begins with /`);
  const segments = parts.map((part): PathSegment => {
    const field = /^\{([a-z0-9_.]+)\}$/.exec(part)?.[1];
    if (field !== undefined) return { field: jsonPath(method.input, field.split('.')) };
    assert.match(part, /^[A-Za-z0-9-]+$/, `${method.name}: segment ${part}`);
    return { literal: part };
  });
  const bodyField = body === '' ? '' : (jsonPath(method.input, [body])[0] ?? '');
  return { verb: pattern.case.toUpperCase(), segments, body: bodyField };
}

/** The values of the pattern's fields, in order; undefined if the path is another one. */
export function matchPath(
  pattern: HttpPattern,
  path: readonly string[],
): readonly (readonly [field: readonly string[], value: string])[] | undefined {
  if (path.length !== pattern.segments.length) return undefined;
  const values: [readonly string[], string][] = [];
  for (const [index, segment] of pattern.segments.entries()) {
    const text = path[index] ?? '';
    if ('field' in segment) values.push([segment.field, text]);
    else if (segment.literal !== text) return undefined;
  }
  return values;
}

function jsonPath(message: DescMessage, names: readonly string[]): string[] {
  const path: string[] = [];
  let at: DescMessage | undefined = message;
  for (const name of names) {
    const field: DescField | undefined = at?.fields.find((one) => one.name === name);
    assert.ok(field !== undefined, `${message.name} has no field ${names.join('.')}`);
    path.push(field.jsonName);
    at = field.fieldKind === 'message' ? field.message : undefined;
  }
  return path;
}

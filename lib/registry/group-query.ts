/**
 * Queries of client groups — Event Grid's language over a client's name and attributes.
 *
 * Grammar: query := and ("or" and)*        and := prim ("and" prim)*
 *          prim  := "(" query ")" | key op value | key "IN" "[" value ("," value)* "]"
 *          key   := "authenticationName" | "attributes." [A-Za-z0-9_]+
 *          op    := "=" | "!=" | "<>" | "<" | "<=" | ">" | ">="
 *          value := integer | text in " or ', with \ before a quote or backslash
 *          Keywords in any case. `and` binds tighter than `or`.
 * Meaning: an array is equal to a value that it contains. `!=` is the opposite of `=`, so it is
 *          true for an absent attribute; every other comparison with what is absent is false. Order
 *          is for integers only. Names compare without case, attribute values with it.
 * Bounds:  QUERY_LENGTH_MAX characters, NESTING_MAX parentheses; a fault names its position.
 */
import type { AttributeValue } from './directory.ts';
import { tokenizeQuery } from './query-tokens.ts';
import type { QueryToken } from './query-tokens.ts';

/** What a query sees of a client; `Identity` fits. */
export interface QuerySubject {
  readonly authenticationName: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export type GroupQuery = (subject: QuerySubject) => boolean;

export type ParsedQuery =
  | { readonly ok: true; readonly matches: GroupQuery }
  | { readonly ok: false; readonly why: string };

/** Characters of a query. Enough for an IN list of a thousand names. */
export const QUERY_LENGTH_MAX = 65_536;
/** Parentheses inside each other; bounds the recursion. */
export const NESTING_MAX = 64;

type QueryValue = string | number;
type Test = (value: AttributeValue | undefined) => boolean;

/** Parses and compiles. `why` is a sentence for the author of the query. */
export function parseGroupQuery(text: string): ParsedQuery {
  if (text.length > QUERY_LENGTH_MAX) {
    return { ok: false, why: `longer than ${QUERY_LENGTH_MAX} characters` };
  }
  const tokens = tokenizeQuery(text);
  if (typeof tokens === 'string') return { ok: false, why: tokens };
  try {
    const parser = new Parser(tokens, text.length);
    return { ok: true, matches: parser.whole() };
  } catch (cause) {
    if (cause instanceof QueryFault) return { ok: false, why: cause.message };
    throw cause;
  }
}

/** Unwinds the recursive descent; never leaves this file. */
class QueryFault extends Error {}

class Parser {
  readonly #tokens: readonly QueryToken[];
  readonly #length: number;
  #next = 0;

  constructor(tokens: readonly QueryToken[], length: number) {
    this.#tokens = tokens;
    this.#length = length;
  }

  whole(): GroupQuery {
    const query = this.#or(0);
    if (this.#tokens[this.#next] !== undefined) throw this.#wanted('"and", "or" or the end');
    return query;
  }

  #or(depth: number): GroupQuery {
    const alternatives = [this.#and(depth)];
    while (this.#takeWord('or')) alternatives.push(this.#and(depth));
    const [only] = alternatives;
    if (alternatives.length === 1 && only !== undefined) return only;
    return (subject) => alternatives.some((matches) => matches(subject));
  }

  #and(depth: number): GroupQuery {
    const conditions = [this.#primary(depth)];
    while (this.#takeWord('and')) conditions.push(this.#primary(depth));
    const [only] = conditions;
    if (conditions.length === 1 && only !== undefined) return only;
    return (subject) => conditions.every((matches) => matches(subject));
  }

  #primary(depth: number): GroupQuery {
    if (!this.#takeSign('(')) return this.#comparison();
    if (depth >= NESTING_MAX) throw new QueryFault(`more than ${NESTING_MAX} parentheses deep`);
    const inner = this.#or(depth + 1);
    if (!this.#takeSign(')')) throw this.#wanted('")"');
    return inner;
  }

  #comparison(): GroupQuery {
    const read = this.#key();
    const test = this.#takeWord('in') ? this.#list(read.folds) : this.#operation(read.folds);
    return (subject) => test(read.of(subject));
  }

  #key(): { folds: boolean; of: (subject: QuerySubject) => AttributeValue | undefined } {
    const token = this.#tokens[this.#next];
    if (token?.kind === 'word') {
      const word = token.text;
      if (word === 'authenticationName') {
        this.#next++;
        return { folds: true, of: (subject) => subject.authenticationName.toLowerCase() };
      }
      const attribute = /^attributes\.([A-Za-z0-9_]+)$/.exec(word)?.[1];
      if (attribute !== undefined) {
        this.#next++;
        return { folds: false, of: (subject) => attributeOf(subject, attribute) };
      }
    }
    throw this.#wanted('authenticationName or attributes.NAME');
  }

  #operation(folds: boolean): Test {
    const operator = this.#tokens[this.#next];
    if (operator?.kind !== 'operator') throw this.#wanted('a comparison or IN');
    this.#next++;
    if (operator.text === '=' || operator.text === '!=' || operator.text === '<>') {
      const equals = equality(this.#value(folds));
      return operator.text === '=' ? equals : (value) => !equals(value);
    }
    const bound = this.#value(folds);
    if (typeof bound !== 'number') {
      this.#next--;
      throw this.#wanted(`a whole number after ${operator.text}`);
    }
    return order(operator.text, bound);
  }

  #list(folds: boolean): Test {
    if (!this.#takeSign('[')) throw this.#wanted('"[" after IN');
    const wanted = new Set<QueryValue>();
    do wanted.add(this.#value(folds));
    while (this.#takeSign(','));
    if (!this.#takeSign(']')) throw this.#wanted('"," or "]"');
    return (value) => {
      if (value === undefined) return false;
      if (typeof value === 'object') return value.some((member) => wanted.has(member));
      return wanted.has(value);
    };
  }

  #value(folds: boolean): QueryValue {
    const token = this.#tokens[this.#next];
    if (token?.kind === 'text') {
      this.#next++;
      return folds ? token.text.toLowerCase() : token.text;
    }
    if (token?.kind === 'integer') {
      this.#next++;
      return Number(token.text);
    }
    throw this.#wanted('a quoted text or a whole number');
  }

  #takeWord(word: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word' || token.text.toLowerCase() !== word) return false;
    this.#next++;
    return true;
  }

  #takeSign(sign: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'sign' || token.text !== sign) return false;
    this.#next++;
    return true;
  }

  #wanted(what: string): QueryFault {
    const token = this.#tokens[this.#next];
    const at = token === undefined ? 'the end' : `"${token.text}"`;
    const position = (token?.position ?? this.#length) + 1;
    return new QueryFault(`${what} expected at character ${position}, found ${at}`);
  }
}

function attributeOf(subject: QuerySubject, name: string): AttributeValue | undefined {
  return Object.hasOwn(subject.attributes, name) ? subject.attributes[name] : undefined;
}

function equality(wanted: QueryValue): Test {
  return (value) => {
    if (typeof value !== 'object') return value === wanted;
    return typeof wanted === 'string' && value.includes(wanted);
  };
}

function order(operator: string, bound: number): Test {
  return (value) => {
    if (typeof value !== 'number') return false;
    switch (operator) {
      case '<':
        return value < bound;
      case '<=':
        return value <= bound;
      case '>':
        return value > bound;
      default:
        return value >= bound;
    }
  };
}

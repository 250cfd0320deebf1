/**
 * Reading a spec from untrusted JSON: every fault is kept with the field that has it.
 */

/** What is wrong with one field. `field` is a path: `clientCertificateAuthentication.…`. */
export interface FieldViolation {
  readonly field: string;
  /** A sentence for the author, without the field's name. */
  readonly description: string;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one object; what is absent is undefined, what is wrong is a violation and undefined. */
export class SpecReader {
  readonly violations: FieldViolation[];
  readonly #object: JsonObject;
  readonly #path: string;
  readonly #known = new Set<string>();

  constructor(value: unknown, path = '', violations: FieldViolation[] = []) {
    this.violations = violations;
    this.#path = path;
    this.#object = isJsonObject(value) ? value : {};
    if (!isJsonObject(value)) this.refuse('', 'must be an object');
  }

  refuse(field: string, description: string): undefined {
    this.violations.push({ field: this.#pathOf(field), description });
    return undefined;
  }

  has(field: string): boolean {
    const value = this.#take(field);
    return value !== undefined && value !== null;
  }

  value(field: string): unknown {
    return this.#take(field) ?? undefined;
  }

  text(field: string, lengthMax: number): string | undefined {
    const value = this.value(field);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') return this.refuse(field, 'must be a text');
    if (value.length > lengthMax) return this.refuse(field, `must have ≤ ${lengthMax} characters`);
    if (!value.isWellFormed()) return this.refuse(field, 'must be valid Unicode');
    return value;
  }

  choice<Word extends string>(field: string, words: readonly Word[]): Word | undefined {
    const value = this.value(field);
    if (value === undefined) return undefined;
    const found = words.find((word) => word === value);
    return found ?? this.refuse(field, `must be one of ${words.join(', ')}`);
  }

  integer(field: string, min: number, max: number): number | undefined {
    const value = this.value(field);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) {
      return value;
    }
    return this.refuse(field, `must be a whole number from ${min} to ${max}`);
  }

  /** Texts of at most `lengthMax` characters each; absent = none. */
  texts(field: string, countMax: number, lengthMax: number): readonly string[] {
    const value = this.value(field);
    if (value === undefined) return [];
    if (!Array.isArray(value)) return this.refuse(field, 'must be a list of texts') ?? [];
    if (value.length > countMax) return this.refuse(field, `must have ≤ ${countMax} items`) ?? [];
    const texts: string[] = [];
    value.forEach((item: unknown, index) => {
      const at = `${field}[${index}]`;
      if (typeof item !== 'string') this.refuse(at, 'must be a text');
      else if (item.length > lengthMax) this.refuse(at, `must have ≤ ${lengthMax} characters`);
      else if (!item.isWellFormed()) this.refuse(at, 'must be valid Unicode');
      else texts.push(item);
    });
    return texts;
  }

  /** The object in a field; absent = an empty one. */
  object(field: string): SpecReader {
    const value = this.value(field) ?? {};
    return new SpecReader(value, this.#pathOf(field), this.violations);
  }

  /** Refuses every field that nobody asked for. Call last. */
  end(): void {
    for (const field of Object.keys(this.#object)) {
      if (!this.#known.has(field)) this.refuse(field, 'is not a known field');
    }
  }

  #take(field: string): unknown {
    this.#known.add(field);
    return Object.hasOwn(this.#object, field) ? this.#object[field] : undefined;
  }

  #pathOf(field: string): string {
    if (field === '' || this.#path === '') return this.#path + field;
    return `${this.#path}.${field}`;
  }
}

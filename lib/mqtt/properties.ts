/**
 * Properties of all packets but PUBLISH — read whole, checked against the table (MQTT 5 §2.2.2).
 *
 *     properties := length varint | property × n        property := identifier varint | value
 *
 * Identifiers are below 128, so a longer form of one is a padded integer and refused as unknown.
 * Ends: a foreign identifier or a cut value is malformed (0x81), a second copy or a bad value a
 *       protocol error (0x82). User properties repeat and keep their order; the packet bounds them.
 */
import type { ByteReader } from './byte-reader.ts';
import type { UserProperty } from './packet.ts';
import {
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  IN_DISCONNECT,
  PROPERTIES,
  RESPONSE_TOPIC,
  SERVER_REFERENCE,
  SUBSCRIPTION_IDENTIFIER,
  USER_PROPERTY,
  type PropertyPlace,
  type PropertyRow,
} from './property-table.ts';

type Value = number | string | Buffer;

const NONE: readonly UserProperty[] = [];

export class PropertySet {
  #values: (Value | undefined)[] | undefined = undefined;
  #userProperties: UserProperty[] | undefined = undefined;

  get userProperties(): readonly UserProperty[] {
    return this.#userProperties ?? NONE;
  }

  has(identifier: number): boolean {
    return this.#values?.[identifier] !== undefined;
  }

  number(identifier: number, absent: number): number {
    const value = this.#values?.[identifier];
    return typeof value === 'number' ? value : absent;
  }

  text(identifier: number): string | undefined {
    const value = this.#values?.[identifier];
    return typeof value === 'string' ? value : undefined;
  }

  binary(identifier: number): Buffer | undefined {
    const value = this.#values?.[identifier];
    return typeof value === 'object' ? value : undefined;
  }

  set(identifier: number, value: Value): void {
    this.#values ??= [];
    this.#values[identifier] = value;
  }

  add(property: UserProperty): void {
    this.#userProperties ??= [];
    this.#userProperties.push(property);
  }
}

/** Reads length and properties at the cursor; failures are the reader's. */
export function readProperties(reader: ByteReader, place: PropertyPlace): PropertySet {
  const set = new PropertySet();
  const length = reader.varint('property_length');
  const packetEnd = reader.end;
  if (reader.at + length > packetEnd) reader.fail('property_length');
  if (reader.violation !== undefined) return set;
  reader.end = reader.at + length;
  while (reader.more) readProperty(reader, place, set);
  reader.end = packetEnd;
  if (set.has(AUTHENTICATION_DATA) && !set.has(AUTHENTICATION_METHOD)) {
    reader.fail('authentication_data_alone');
  }
  return set;
}

function readProperty(reader: ByteReader, place: PropertyPlace, set: PropertySet): void {
  const identifier = reader.u8('property_length');
  const row = PROPERTIES[identifier];
  if (row === undefined || (row.in & place) === 0) {
    const fromServer = identifier === SERVER_REFERENCE && place === IN_DISCONNECT;
    reader.fail(fromServer ? 'property_from_client' : 'property_unknown');
    return;
  }
  if (identifier === USER_PROPERTY) {
    set.add([readPairHalf(reader), readPairHalf(reader)]);
    return;
  }
  const value = readValue(reader, identifier, row);
  if (reader.violation !== undefined) return;
  if (set.has(identifier)) reader.fail('property_twice');
  else set.set(identifier, value);
}

function readPairHalf(reader: ByteReader): string {
  return reader.text('property_length', 'user_property_utf8', 'user_property_utf8');
}

function readValue(reader: ByteReader, identifier: number, row: PropertyRow): Value {
  switch (row.type) {
    case 'byte':
      return inRange(reader, row, reader.u8('property_length'));
    case 'u16':
      return inRange(reader, row, reader.u16('property_length'));
    case 'u32':
      return inRange(reader, row, reader.u32('property_length'));
    case 'varint': {
      const value = reader.varint('property_length');
      if (value === 0 && identifier === SUBSCRIPTION_IDENTIFIER) {
        reader.fail('subscribe_identifier_zero');
      }
      return value;
    }
    case 'binary':
      return reader.binary('property_length');
    default: {
      const text = reader.text('property_length', 'utf8', 'utf8_zero');
      const isTopic = identifier === RESPONSE_TOPIC;
      if (isTopic && (text === '' || /[+#]/.test(text))) reader.fail('response_topic');
      return text;
    }
  }
}

function inRange(reader: ByteReader, row: PropertyRow, value: number): number {
  if (value < (row.min ?? 0) || value > (row.max ?? value)) reader.fail('property_value');
  return value;
}

/**
 * Rows of bad input: bytes that a client must not send, and what the decoder says to them.
 *
 * `bytes` come behind a good CONNECT, or are the first ones of the connection (`first`). Clause and
 * reason may differ between the versions, or a case may exist in one only.
 */
import type { Reason } from '#base';
import type { DecoderOptions } from '#mqtt';
import type { ConnectFields, Version } from '../../fixtures/mqtt-client-encoder.ts';

export interface BadInput {
  readonly name: string;
  readonly version: Version;
  readonly clause: string;
  readonly reason: Reason;
  readonly bytes: Buffer;
  /** The bytes begin the connection. */
  readonly first: boolean;
  /** The CONNECT before. */
  readonly connect?: ConnectFields;
  readonly options?: Partial<DecoderOptions>;
  /** Version that the refusal of a CONNECT is answered in; 0 = silent close. */
  readonly answer?: 0 | 4 | 5;
}

export interface Extras {
  readonly connect?: ConnectFields;
  readonly options?: Partial<DecoderOptions>;
  readonly answer?: 0 | 4 | 5;
  readonly first?: boolean;
}

/** Statement and reason for one version. */
export type Verdict = readonly [clause: string, reason: Reason];

export const ANY4 = 'MQTT-4.8.0-1';
export const ANY5 = 'MQTT-4.13.1-1';
export const CLOSED: Verdict = [ANY4, 'malformed_packet'];
export const MALFORMED: Verdict = [ANY5, 'malformed_packet'];
export const FORBIDDEN: Verdict = [ANY5, 'protocol_error'];

/** The case in MQTT 3.1.1 (`v4`) and in 5.0 (`v5`); undefined where it does not exist. */
export function bad(
  name: string,
  v4: Verdict | undefined,
  v5: Verdict | undefined,
  bytes: (version: Version) => Buffer,
  extras: Extras = {},
): BadInput[] {
  const rows: BadInput[] = [];
  const verdicts: readonly (readonly [Version, Verdict | undefined])[] = [
    [4, v4],
    [5, v5],
  ];
  for (const [version, verdict] of verdicts) {
    if (verdict === undefined) continue;
    const [clause, reason] = verdict;
    rows.push({
      name: `${version === 4 ? '3.1.1' : '5.0'}: ${name}`,
      version,
      clause,
      reason,
      bytes: bytes(version),
      first: extras.first ?? false,
      ...extras,
    });
  }
  return rows;
}

/** A CONNECT that is refused. */
export function badConnect(
  name: string,
  v4: Verdict | undefined,
  v5: Verdict | undefined,
  bytes: (version: Version) => Buffer,
  answer?: 0 | 4 | 5,
): BadInput[] {
  return bad(name, v4, v5, bytes, { first: true, ...(answer === undefined ? {} : { answer }) });
}

/** The same number and reason in both versions. */
export function same(clause: string, reason: Reason): readonly [Verdict, Verdict] {
  return [
    [clause, reason],
    [clause, reason],
  ];
}

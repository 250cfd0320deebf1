/**
 * Faults — operating errors as values with names (design §3.3, CONTRIBUTING "Errors").
 *
 * Bad client input is never a Fault: the codec and the session return reasons (`reason.ts`).
 * Programmer errors are `node:assert` failures and end the process.
 */

/** What a caller may do about a fault. */
export type Retry = 'never' | 'later' | 'now';
/** Who must act. */
export type Blame = 'client' | 'operator' | 'broker';

/** One row per code; `docs/errors.md` is tested against this table in both directions. */
export const FAULTS = {
  WEIR_CONFIG: { retry: 'never', blame: 'operator', says: 'configuration is invalid' },
  WEIR_PORT_IN_USE: { retry: 'never', blame: 'operator', says: 'a port is in use' },
  WEIR_DATA_VERSION: { retry: 'never', blame: 'operator', says: 'data of another version' },
  WEIR_TOOL_MISSING: { retry: 'never', blame: 'operator', says: 'a needed tool is missing' },
  WEIR_BUS_UNREACHABLE: { retry: 'later', blame: 'operator', says: 'NATS cannot be reached' },
  WEIR_BUS_TIMEOUT: { retry: 'now', blame: 'broker', says: 'NATS did not answer in time' },
  WEIR_BUS_REFUSED: { retry: 'never', blame: 'broker', says: 'NATS refused a request' },
  WEIR_API_UNREACHABLE: { retry: 'later', blame: 'operator', says: 'control cannot be reached' },
  WEIR_WIRE: { retry: 'never', blame: 'broker', says: 'bytes of a record or frame are damaged' },
} as const satisfies Record<string, { retry: Retry; blame: Blame; says: string }>;

export type FaultCode = keyof typeof FAULTS;

/** An operating fault. `message` says what to do; `cause` keeps the original. */
export class Fault extends Error {
  readonly code: FaultCode;
  constructor(code: FaultCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Fault';
    this.code = code;
  }
  get retry(): Retry {
    return FAULTS[this.code].retry;
  }
  get blame(): Blame {
    return FAULTS[this.code].blame;
  }
}

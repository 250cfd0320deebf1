/**
 * API faults — one table from a fault's code to its gRPC code, its name and its HTTP status.
 *
 * JSON form: `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"…","details":[…]}}`;
 * a detail of type google.rpc.BadRequest names the fields.
 */
import { create, toJson } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { REGISTRY_FAULTS, RegistryFault } from '#registry';
import type { FieldViolation, RegistryFaultCode } from '#registry';
import { BadRequestSchema } from './gen/google/rpc/error_details_pb.ts';

export const API_FAULTS = {
  invalid: { grpc: Code.InvalidArgument, status: 'INVALID_ARGUMENT', http: 400 },
  not_found: { grpc: Code.NotFound, status: 'NOT_FOUND', http: 404 },
  already_exists: { grpc: Code.AlreadyExists, status: 'ALREADY_EXISTS', http: 409 },
  stale_etag: { grpc: Code.Aborted, status: 'ABORTED', http: 409 },
  in_use: { grpc: Code.FailedPrecondition, status: 'FAILED_PRECONDITION', http: 400 },
  busy: { grpc: Code.ResourceExhausted, status: 'RESOURCE_EXHAUSTED', http: 429 },
  full: { grpc: Code.ResourceExhausted, status: 'RESOURCE_EXHAUSTED', http: 507 },
  unavailable: { grpc: Code.Unavailable, status: 'UNAVAILABLE', http: 503 },
  method_not_allowed: { grpc: Code.Unimplemented, status: 'UNIMPLEMENTED', http: 405 },
  forbidden: { grpc: Code.PermissionDenied, status: 'PERMISSION_DENIED', http: 403 },
  media_type: { grpc: Code.InvalidArgument, status: 'INVALID_ARGUMENT', http: 415 },
  too_large: { grpc: Code.ResourceExhausted, status: 'RESOURCE_EXHAUSTED', http: 413 },
  internal: { grpc: Code.Internal, status: 'INTERNAL', http: 500 },
} as const satisfies Record<string, { grpc: Code; status: string; http: number }>;

export type ApiFaultCode = keyof typeof API_FAULTS;

export class ApiFault extends Error {
  readonly code: ApiFaultCode;
  readonly violations: readonly FieldViolation[];

  constructor(code: ApiFaultCode, message: string, violations: readonly FieldViolation[] = []) {
    super(message);
    this.name = 'ApiFault';
    this.code = code;
    this.violations = violations;
  }
}

/** A fault of a field of the request itself. */
export function fieldFault(field: string, description: string): ApiFault {
  return new ApiFault('invalid', `${field}: ${description}`, [{ field, description }]);
}

/** What is not a fault of ours becomes `internal`, without its words: they may tell too much. */
export function apiFaultOf(cause: unknown): ApiFault {
  if (cause instanceof ApiFault) return cause;
  if (!(cause instanceof RegistryFault)) return new ApiFault('internal', 'internal error');
  const code: RegistryFaultCode = cause.code;
  return new ApiFault(code, cause.message || REGISTRY_FAULTS[code], cause.violations);
}

export function connectErrorOf(fault: ApiFault): ConnectError {
  const details = badRequest(fault).map((value) => ({ desc: BadRequestSchema, value }));
  return new ConnectError(fault.message, API_FAULTS[fault.code].grpc, undefined, details);
}

export function jsonErrorOf(fault: ApiFault): { readonly http: number; readonly body: object } {
  const { http, status } = API_FAULTS[fault.code];
  const details = badRequest(fault).map((value) => ({
    '@type': 'type.googleapis.com/google.rpc.BadRequest',
    ...(toJson(BadRequestSchema, value) as object),
  }));
  const error = { code: http, status, message: fault.message };
  return { http, body: { error: details.length === 0 ? error : { ...error, details } } };
}

function badRequest({ violations }: ApiFault) {
  if (violations.length === 0) return [];
  const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
  return [create(BadRequestSchema, { fieldViolations })];
}

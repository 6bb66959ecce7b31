import type { Problem } from './problem.js';

/** The part of the class `Metadata` of @grpc/grpc-js, which is not imported. */
interface GrpcMetadata {
  set(name: string, value: string): void;
  getMap(): unknown;
}

/** What @grpc/grpc-js sends as the status of a failed call. Without `code` every client would receive UNKNOWN. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: GrpcMetadata;
}

/** The status codes of gRPC by those of HTTP. */
const CODES: Readonly<Record<number, number>> = {
  400: 3, // INVALID_ARGUMENT
  403: 7, // PERMISSION_DENIED
  404: 5, // NOT_FOUND
  409: 10, // ABORTED
  410: 9, // FAILED_PRECONDITION
  415: 3,
  422: 3,
  429: 8, // RESOURCE_EXHAUSTED
  500: 13, // INTERNAL
  503: 14, // UNAVAILABLE
};
const UNKNOWN = 2;

/** Whether the context of a message is the metadata of a gRPC call. Other transports have contexts of their own. */
export function isGrpcMetadata(context: unknown): context is GrpcMetadata {
  const { set, getMap } = (context ?? {}) as Partial<GrpcMetadata>;
  return typeof set === 'function' && typeof getMap === 'function';
}

/** The problem as a status of gRPC, with the slug, the retry time and all members in its trailers. */
export function grpcStatus(problem: Problem, received: GrpcMetadata): GrpcStatus {
  const metadata = new (received.constructor as new () => GrpcMetadata)();
  metadata.set('two-factor-error', problem.error);
  metadata.set('two-factor-problem', asciiJson(problem));
  if (problem.retryAfter !== undefined) metadata.set('retry-after', String(problem.retryAfter));
  return { code: CODES[problem.status] ?? UNKNOWN, details: problem.title, metadata };
}

/** Trailers are ASCII: @grpc/grpc-js refuses other characters, and the call would never be answered. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

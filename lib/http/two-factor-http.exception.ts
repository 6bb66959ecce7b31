import { HttpException, Logger, type ExecutionContext } from '@nestjs/common';

import { brand, TwoFactorError } from '../errors/index.js';
import { problemOf, type Problem } from './problem.js';
import { logRefusal } from './refusal-log.js';

/**
 * An error of this package over HTTP, on a route of the application. Nest's own filter responds with the problem's status and
 * members; `TwoFactorExceptionFilter` adds `application/problem+json`, `Retry-After` and `no-store`.
 *
 * @publicApi
 */
export class TwoFactorHttpException extends HttpException {
  static {
    brand(this, 'TwoFactorHttpException');
  }

  constructor(
    /** The body of the response. */
    readonly problem: Problem,
    cause?: TwoFactorError,
  ) {
    super({ ...problem }, problem.status, { cause });
    this.message = problem.title;
  }
}

const logger = new Logger('RequireConfirmation');
const transportRefusals = new WeakSet<object>();

/**
 * Whether this error is a refusal that `toTransportError` returned for a call outside of HTTP, such as a message or a GraphQL field.
 */
export function isTransportRefusal(thrown: unknown): boolean {
  return typeof thrown === 'object' && thrown !== null && transportRefusals.has(thrown);
}

/**
 * Converts an error of this package into one that the transport of this call can send. Over HTTP it is logged at once, because
 * Nest's own filter logs no `HttpException`, not even one for a fault of the server.
 */
export function toTransportError(error: unknown, context: ExecutionContext): unknown {
  if (!(error instanceof TwoFactorError)) return error;
  if (context.getType() !== 'http') {
    transportRefusals.add(error);
    return error;
  }
  const exception = new TwoFactorHttpException(problemOf(error), error);
  logRefusal(logger, exception.problem, exception);
  return exception;
}

/**
 * Converts an error of this package into an `HttpException`, so that filters and interceptors which know no error but Nest's
 * see its status. Other errors stay as they are.
 */
export function asHttpException(error: unknown, now?: number): unknown {
  if (!(error instanceof TwoFactorError)) return error;
  return new TwoFactorHttpException(problemOf(error, now), error);
}

/** Runs `work` and converts its error by `toTransportError`. */
export function rethrowForTransport(context: ExecutionContext, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw toTransportError(error, context);
  }
}

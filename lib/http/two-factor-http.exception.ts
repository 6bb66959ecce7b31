import { HttpException, type ExecutionContext } from '@nestjs/common';

import { TwoFactorError } from '../errors/index.js';
import { problemOf, type Problem } from './problem.js';

/**
 * An error of this package over HTTP, on a route of the application. Nest's own filter responds with the problem's status and
 * members; `TwoFactorExceptionFilter` adds `application/problem+json`, `Retry-After` and `no-store`.
 *
 * @publicApi
 */
export class TwoFactorHttpException extends HttpException {
  constructor(
    /** The body of the response. */
    readonly problem: Problem,
    cause?: TwoFactorError,
  ) {
    super({ ...problem }, problem.status, { cause });
    this.message = problem.title;
  }
}

/** Converts an error of this package into one that the transport of this call can send. */
export function forTransport(error: unknown, context: ExecutionContext): unknown {
  if (!(error instanceof TwoFactorError) || context.getType() !== 'http') return error;
  return new TwoFactorHttpException(problemOf(error), error);
}

/** Runs `work` and converts its error by `forTransport`. */
export function rethrowFor(context: ExecutionContext, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw forTransport(error, context);
  }
}

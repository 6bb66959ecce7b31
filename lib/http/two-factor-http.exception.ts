import { HttpException, type ExecutionContext } from '@nestjs/common';

import { TwoFactorError } from '../errors/index.js';
import { problemOf, type Problem } from './problem.js';

/**
 * A refusal over HTTP on a route of the application. Nest's own filter answers it with the problem's status and members;
 * `TwoFactorExceptionFilter` also with `application/problem+json`, `Retry-After` and `no-store`.
 *
 * @publicApi
 */
export class TwoFactorHttpException extends HttpException {
  constructor(
    readonly problem: Problem,
    cause?: TwoFactorError,
  ) {
    super({ ...problem }, problem.status, { cause });
    this.message = problem.title;
  }
}

/** An error as the transport of this call knows how to answer it. */
export function forTransport(error: unknown, context: ExecutionContext): unknown {
  if (!(error instanceof TwoFactorError) || context.getType() !== 'http') return error;
  return new TwoFactorHttpException(problemOf(error), error);
}

/** Runs `work`, and throws its error as the transport of this call knows how to answer it. */
export function rethrowFor(context: ExecutionContext, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw forTransport(error, context);
  }
}

import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';

import {
  Catch,
  HttpException,
  Logger,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';

import type { HttpResponse } from './http.js';
import { problemOf, Refusal, sendProblem, type Problem } from './problem.js';

/** Answers every error that no other filter takes. What went wrong inside goes to the log and not to the client. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger = new Logger(ProblemFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<HttpResponse & { headersSent: boolean }>();
    const id = randomUUID();
    const problem = problemFor(error);
    if (problem.status >= 500 && !(error instanceof Refusal)) {
      const cause = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
      this.#logger.error(`urn:uuid:${id} ${cause}`);
    }
    if (!response.headersSent) sendProblem(response, problem, id);
  }
}

function problemFor(error: unknown): Problem {
  if (error instanceof Refusal) return error.problem;
  const status = error instanceof HttpException ? error.getStatus() : 500;
  switch (status) {
    case 400:
      return problemOf(400, 'invalid-request', 'The request is malformed.');
    case 404:
      return problemOf(404, 'not-found', 'There is nothing here.');
    case 413:
      return problemOf(413, 'too-large', 'The request is too large.');
    case 500:
      return problemOf(500, 'internal-error', 'Something went wrong. Please try again.');
    default:
      return problemOf(status, 'refused', STATUS_CODES[status] ?? 'The request was refused.');
  }
}

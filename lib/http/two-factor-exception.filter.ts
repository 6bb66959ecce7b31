import {
  Catch,
  Inject,
  Logger,
  Optional,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { throwError } from 'rxjs';

import { TwoFactorError } from '../errors/index.js';
import type { ResolvedOptions } from '../options/index.js';
import { TWO_FACTOR_OPTIONS } from '../two-factor.tokens.js';
import { problemOf, type Problem } from './problem.js';
import { TwoFactorHttpException } from './two-factor-http.exception.js';

/**
 * Answers the errors of this package with a `Problem`, whose `error` is the slug to switch on; messages and causes stay in
 * the log. The bundled controller has it; give it to whatever else calls the services or has a guarded route.
 *
 * - HTTP: `application/problem+json` with `no-store` and `Retry-After`.
 * - GraphQL: an error with the problem in its `extensions`, whose `code` is the slug.
 * - Microservices: the problem is what the client's observable fails with.
 * - WebSockets: the event `exception` with the problem, and in `cause.pattern` which message it answers.
 *
 * @example
 * ```ts
 * @UseFilters(TwoFactorExceptionFilter)
 * @Controller('login')
 * export class LoginController {}
 * ```
 * @publicApi
 */
@Catch(TwoFactorError, TwoFactorHttpException)
export class TwoFactorExceptionFilter implements ExceptionFilter<
  TwoFactorError | TwoFactorHttpException
> {
  readonly #logger = new Logger(TwoFactorExceptionFilter.name);

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    // Its clock says how long to wait. A filter made by hand for `useGlobalFilters` may do without.
    @Optional() @Inject(TWO_FACTOR_OPTIONS) private readonly options?: ResolvedOptions,
  ) {}

  catch(exception: TwoFactorError | TwoFactorHttpException, host: ArgumentsHost): unknown {
    const problem =
      exception instanceof TwoFactorHttpException
        ? exception.problem
        : problemOf(exception, this.options?.clock.now());
    this.#log(problem, exception);
    switch (host.getType<string>()) {
      case 'http':
        return this.#reply(host.switchToHttp().getResponse(), problem);
      case 'rpc':
        return throwError(() => problem);
      case 'ws':
        return emit(host, problem);
      case 'graphql':
        throw new FieldError(problem);
      default:
        throw exception;
    }
  }

  #reply(response: unknown, problem: Problem): undefined {
    const { httpAdapter } = this.adapterHost;
    if (httpAdapter.isHeadersSent(response)) {
      httpAdapter.end(response);
      return undefined;
    }
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    httpAdapter.setHeader(response, 'Content-Type', 'application/problem+json; charset=utf-8');
    if (problem.retryAfter !== undefined) {
      httpAdapter.setHeader(response, 'Retry-After', String(problem.retryAfter));
    }
    httpAdapter.reply(response, JSON.stringify(problem), problem.status);
    return undefined;
  }

  /** The messages tell developers what the answer does not; they never carry a code, a secret or a full token. */
  #log({ instance, status }: Problem, exception: Error): void {
    const { name, message, cause } =
      exception.cause instanceof TwoFactorError ? exception.cause : exception;
    // What the database, a limit store or a provider said: without it an outage has no reason in the log.
    const reason = cause instanceof Error ? ` Cause: ${cause.message}` : '';
    const line = `${instance} ${name}: ${message}${reason}`;
    if (status >= 500) this.#logger.error(line);
    else this.#logger.debug(line);
  }
}

/** GraphQL servers copy message and extensions of what a resolver throws. */
class FieldError extends Error {
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(problem: Problem) {
    super(problem.title);
    this.extensions = { code: problem.error, ...problem };
  }
}

/** As Nest's own filter tells a WebSocket client, without the data that came: it may hold a code. */
function emit(host: ArgumentsHost, problem: Problem): void {
  const socket = host.switchToWs();
  const client = socket.getClient<{
    readonly readyState?: unknown;
    send(text: string): void;
    emit(event: string, data: unknown): void;
  }>();
  const event = 'exception';
  const data = { ...problem, cause: { pattern: socket.getPattern() } };
  // A socket of `ws` is an emitter too, but tells only itself.
  if (typeof client.readyState === 'number') client.send(JSON.stringify({ event, data }));
  else client.emit(event, data);
}

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
 * Responds to the errors of this package with a `Problem`. Its member `error` is the code to switch on; messages and causes go
 * to the log only. The bundled controller uses the filter. Add it to every other class that calls the services or has a
 * guarded route.
 *
 * - HTTP: `application/problem+json` with `no-store` and `Retry-After` (RFC 9457).
 * - GraphQL: an error with the problem in its `extensions`, where `code` is the error code.
 * - Microservices: the client's observable fails with the problem.
 * - WebSockets: an event `exception` with the problem; `cause.pattern` names the message that it belongs to.
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
    // Needed for its clock, which determines `retryAfter`. Absent in a filter that was created for `useGlobalFilters`.
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

  /** Logs the message, which the response does not contain. It never contains a code, a secret or a full token. */
  #log({ instance, status }: Problem, exception: Error): void {
    const { name, message, cause } =
      exception.cause instanceof TwoFactorError ? exception.cause : exception;
    // The error of the database, a limit store or a provider. Without it, the log would not show the reason of an outage.
    const reason = cause instanceof Error ? ` Cause: ${cause.message}` : '';
    const line = `${instance} ${name}: ${message}${reason}`;
    if (status >= 500) this.#logger.error(line);
    else this.#logger.debug(line);
  }
}

/** GraphQL servers copy the message and the extensions of a resolver's error into the response. */
class FieldError extends Error {
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(problem: Problem) {
    super(problem.title);
    this.extensions = { code: problem.error, ...problem };
  }
}

/** Emits the event of Nest's own WebSocket filter, but without the received data, which may contain a code. */
function emit(host: ArgumentsHost, problem: Problem): void {
  const socket = host.switchToWs();
  const client = socket.getClient<{
    readonly readyState?: unknown;
    send(text: string): void;
    emit(event: string, data: unknown): void;
  }>();
  const event = 'exception';
  const data = { ...problem, cause: { pattern: socket.getPattern() } };
  // A socket of the package `ws` is an emitter as well, but its `emit` reaches local listeners only.
  if (typeof client.readyState === 'number') client.send(JSON.stringify({ event, data }));
  else client.emit(event, data);
}

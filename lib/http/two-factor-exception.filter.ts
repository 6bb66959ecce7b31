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
import { grpcStatus, isGrpcMetadata } from './grpc-status.js';
import { problemOf, type Problem } from './problem.js';
import { logRefusal } from './refusal-log.js';
import { TwoFactorHttpException } from './two-factor-http.exception.js';

/**
 * Responds to the errors of this package with a `Problem`. Its member `error` is the code to switch on; messages and causes go
 * to the log only. The bundled controller uses the filter. Add it to every other class that calls the services or has a
 * guarded route.
 *
 * - HTTP: `application/problem+json` with `no-store` and `Retry-After` (RFC 9457).
 * - GraphQL: an error with the problem in its `extensions`, where `code` is the error code.
 * - Microservices: the client's observable fails with the problem.
 * - gRPC: the status code, and the trailers `two-factor-error`, `retry-after` and `two-factor-problem`.
 * - WebSockets: an event `exception` with the problem; `cause.pattern` names the message that it belongs to. A Socket.IO client
 *   that waits for an acknowledgement receives the problem as that.
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
    logRefusal(this.#logger, problem, exception);
    switch (host.getType<string>()) {
      case 'http':
        return this.#reply(host.switchToHttp().getResponse(), problem);
      case 'rpc':
        return throwError(() => answerOf(host, problem));
      case 'ws':
        return emit(host, problem);
      case 'graphql':
        throw new GraphQlFieldError(problem);
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
}

/** What the client of a message receives: the problem, or over gRPC a status that has it in its trailers. */
function answerOf(host: ArgumentsHost, problem: Problem): unknown {
  const received: unknown = host.switchToRpc().getContext();
  return isGrpcMetadata(received) ? grpcStatus(problem, received) : problem;
}

/** GraphQL servers copy the message and the extensions of a resolver's error into the response. */
class GraphQlFieldError extends Error {
  readonly extensions: Readonly<Record<string, unknown>>;

  constructor(problem: Problem) {
    super(problem.title);
    this.extensions = { code: problem.error, ...problem };
  }
}

/**
 * Acknowledges the message with the problem, where Socket.IO's client waits for that. Otherwise emits the event of Nest's own
 * WebSocket filter, but without the received data, which may contain a code.
 */
function emit(host: ArgumentsHost, problem: Problem): void {
  const acknowledge: unknown = host.getArgByIndex(2);
  if (typeof acknowledge === 'function') {
    acknowledge(problem);
    return;
  }
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

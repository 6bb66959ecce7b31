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
 * Answers the errors of this package as `application/problem+json` with `no-store` and `Retry-After`. The bundled
 * controller has it; give it to your own routes that call the services.
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
    // Other transports have answers of their own: hand the error on as it is.
    if (host.getType() === 'rpc') return throwError(() => exception);
    if (host.getType() !== 'http') throw exception;

    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    const problem =
      exception instanceof TwoFactorHttpException
        ? exception.problem
        : problemOf(exception, this.options?.clock.now());
    this.#log(problem, exception);
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
    const { name, message } =
      exception.cause instanceof TwoFactorError ? exception.cause : exception;
    const line = `${instance} ${name}: ${message}`;
    if (status >= 500) this.#logger.error(line);
    else this.#logger.debug(line);
  }
}

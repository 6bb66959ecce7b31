import { Catch, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { throwError } from 'rxjs';

import { TwoFactorError } from '../errors/index.js';
import { problemOf } from './problem.js';
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

  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: TwoFactorError | TwoFactorHttpException, host: ArgumentsHost): unknown {
    // Other transports have answers of their own: hand the error on as it is.
    if (host.getType() === 'rpc') return throwError(() => exception);
    if (host.getType() !== 'http') throw exception;

    const problem =
      exception instanceof TwoFactorHttpException ? exception.problem : problemOf(exception);
    if (problem.status >= 500)
      this.#logger.error(`${problem.instance} ${exception.name}: ${exception.message}`);
    const { httpAdapter } = this.adapterHost;
    const response: unknown = host.switchToHttp().getResponse();
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    httpAdapter.setHeader(response, 'Content-Type', 'application/problem+json; charset=utf-8');
    if (problem.retryAfter !== undefined) {
      httpAdapter.setHeader(response, 'Retry-After', String(problem.retryAfter));
    }
    httpAdapter.reply(response, JSON.stringify(problem), problem.status);
    return undefined;
  }
}

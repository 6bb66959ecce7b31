import {
  Injectable,
  Optional,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  catchError,
  concat,
  concatMap,
  defer,
  finalize,
  ignoreElements,
  type Observable,
} from 'rxjs';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { proofOf, proofReservation } from './confirmation-proof.js';
import { requirementOf } from './confirmation-requirement.js';
import { rethrowFor } from './two-factor-http.exception.js';

/**
 * Ends what the guard has reserved: as a use before the first answer of a handler that succeeds, and usable again when the
 * handler, a pipe or an interceptor inside of this one fails. Whatever ends a call in another way (a cached answer, a client
 * that is gone, the end of the process) leaves the proof reserved, which reads as used.
 */
@Injectable()
export class ConfirmationInterceptor implements NestInterceptor {
  constructor(@Optional() private readonly adapterHost?: HttpAdapterHost) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const proof = proofOf(context);
    if (proof === undefined) {
      assertGuarded(context);
      return next.handle();
    }
    const reservation = proofReservation(proof);
    return defer(() => {
      // On a class and its method it runs twice for one call, and the outer one ends it.
      if (reservation.isUnderWay) return next.handle();
      rethrowFor(context, () => reservation.begin());
      return concat(
        defer(() => next.handle()).pipe(
          concatMap(async (answer: unknown) => {
            await reservation.end();
            return answer;
          }),
        ),
        // A handler may answer nothing at all.
        defer(async () => {
          await reservation.end();
          reservation.leave();
        }).pipe(ignoreElements()),
      ).pipe(
        catchError(async (error: unknown) => {
          // After an answer has begun to leave, the effect counts as done.
          if (!this.#hasAnswered(context)) await reservation.release();
          reservation.leave();
          throw error;
        }),
        finalize(() => reservation.leave()),
      );
    });
  }

  #hasAnswered(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return false;
    const response: unknown = context.switchToHttp().getResponse();
    return this.adapterHost?.httpAdapter?.isHeadersSent(response) ?? false;
  }
}

/** A handler that uses its proof itself must not run without one, whatever has become of the guard. */
function assertGuarded(context: ExecutionContext): void {
  const requirement = requirementOf(context.getHandler()) ?? requirementOf(context.getClass());
  if (requirement?.useIn !== 'handler') return;
  throw new TwoFactorConfigurationError(
    'The guard of @RequireConfirmation did not run before the handler. Let the transport run guards.',
  );
}

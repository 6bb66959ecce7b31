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
import { rethrowForTransport } from './two-factor-http.exception.js';

/**
 * Completes the reservation of a proof. Before the first value of a successful handler is sent, the proof is used; when the
 * handler, a pipe or an inner interceptor fails, the proof is released. Every other end of a call (a cached response, a client
 * that disconnects, a crash) leaves the proof reserved, which counts as used.
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
      // With the decorator on a class and its method, this interceptor runs twice, and the outer run completes the proof.
      if (reservation.isUnderWay) return next.handle();
      rethrowForTransport(context, () => reservation.beginCall());
      return concat(
        defer(() => next.handle()).pipe(
          concatMap(async (answer: unknown) => {
            await reservation.endAsUsed();
            return answer;
          }),
        ),
        // A handler may complete without a value.
        defer(async () => {
          await reservation.endAsUsed();
          reservation.endCall();
        }).pipe(ignoreElements()),
      ).pipe(
        catchError(async (error: unknown) => {
          // After the response has begun, the effect of the handler counts as done.
          if (!this.#areHeadersSent(context)) await reservation.release();
          reservation.endCall();
          throw error;
        }),
        finalize(() => reservation.endCall()),
      );
    });
  }

  #areHeadersSent(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return false;
    const response: unknown = context.switchToHttp().getResponse();
    return this.adapterHost?.httpAdapter?.isHeadersSent(response) ?? false;
  }
}

/**
 * Refuses the call of a handler with `useIn: 'handler'` when `ConfirmationGuard` did not run before it, for example in a transport
 * that runs no guards. The handler would otherwise run without a proof.
 */
function assertGuarded(context: ExecutionContext): void {
  const requirement = requirementOf(context.getHandler()) ?? requirementOf(context.getClass());
  if (requirement?.useIn !== 'handler') return;
  throw new TwoFactorConfigurationError(
    'The guard of @RequireConfirmation did not run before the handler. Let the transport run guards. A test ' +
      'that overrides ConfirmationGuard calls such a handler with a proof: makeConfirmation({ isConfirmed: true }).',
  );
}

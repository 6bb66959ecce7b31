import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { concat, concatMap, defer, ignoreElements, type Observable } from 'rxjs';

import { proofOf } from './confirmation-proof.js';

/**
 * Spends what a handler left unspent, before its answer leaves: a guarded route never succeeds on a proof that can be
 * used again. A handler that throws leaves the proof alone.
 */
@Injectable()
export class ConfirmationInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const proof = proofOf(context);
    if (proof === undefined) return next.handle();
    const settle = async (): Promise<void> => {
      if (!proof.isUsed) await proof.use();
    };
    return concat(
      next.handle().pipe(
        concatMap(async (answer: unknown) => {
          await settle();
          return answer;
        }),
      ),
      // A handler may answer nothing at all.
      defer(settle).pipe(ignoreElements()),
    );
  }
}

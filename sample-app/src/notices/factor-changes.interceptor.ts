import {
  HttpException,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { TwoFactorError, TwoFactorUnavailableError } from 'nestjs-two-factor';
import { catchError, from, mergeMap, tap, throwError, type Observable } from 'rxjs';

import type { HttpRequest } from '../http/http.js';
import { FirstStepService } from '../sessions/first-step.service.js';
import { SessionService } from '../sessions/session.service.js';
import { bodyOf } from '../two-factor/details.js';
import { FactorNoticesService } from './factor-notices.service.js';

const CHANGES = /^\/api\/v1\/auth\/2factor\/factors\/(?:activate|remove|recovery-codes)\/?$/i;
const CONFIRM = /^\/api\/v1\/auth\/2factor\/confirm\/?$/i;

/** Around the routes of nestjs-two-factor that change what confirms: adding, removing, and using up a recovery code. */
@Injectable()
export class FactorChangesInterceptor implements NestInterceptor {
  constructor(
    private readonly sessions: SessionService,
    private readonly firstSteps: FirstStepService,
    private readonly notices: FactorNoticesService,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const isRecovery = CONFIRM.test(request.path) && bodyOf(context)['method'] === 'recovery';
    if (!isRecovery && !CHANGES.test(request.path)) return next.handle();
    const users = [await this.sessions.userOf(request)];
    // A recovery code also confirms a sign-in, whose customer has no session yet, or one of another account.
    if (isRecovery) users.push(await this.firstSteps.userOf(request));
    const ids = new Set(users.flatMap((user) => user?.id ?? []));
    const changes: string[] = [];
    for (const id of ids) changes.push(await this.notices.begin(id));
    const finish = (): void => changes.forEach((change) => this.notices.finish(change));
    return next.handle().pipe(
      tap(finish),
      catchError((error: unknown) => {
        if (!isRefusal(error)) {
          finish();
          return throwError(() => error);
        }
        const dropped = Promise.all(changes.map((change) => this.notices.drop(change)));
        return from(dropped).pipe(mergeMap(() => throwError(() => error)));
      }),
    );
  }
}

/** Whether an error tells that nothing was changed. A database that did not answer may have made the change all the same. */
function isRefusal(error: unknown): boolean {
  if (error instanceof HttpException) return error.getStatus() < 500;
  return error instanceof TwoFactorError && !(error instanceof TwoFactorUnavailableError);
}

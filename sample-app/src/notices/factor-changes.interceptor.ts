import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, tap, type Observable } from 'rxjs';

import type { HttpRequest } from '../http/http.js';
import { isRefusal } from '../http/is-refusal.js';
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
    return next.handle().pipe(
      tap(() => this.#finish(changes)),
      catchError((error: unknown) => this.#failed(changes, error)),
    );
  }

  #finish(changes: readonly string[]): void {
    for (const change of changes) this.notices.finish(change);
  }

  async #failed(changes: readonly string[], error: unknown): Promise<never> {
    if (!isRefusal(error)) this.#finish(changes);
    else for (const change of changes) await this.notices.drop(change);
    throw error;
  }
}

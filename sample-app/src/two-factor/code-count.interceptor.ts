import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, mergeMap, type Observable } from 'rxjs';

import type { HttpRequest } from '../http/http.js';
import { isRefusal } from '../http/is-refusal.js';
import { CodeCountService } from '../sessions/code-count.service.js';
import { SessionService } from '../sessions/session.service.js';
import { bodyOf, isRecord } from './details.js';

const REQUEST = /\/request-confirmation\/?$/i;
const RESEND = /\/resend\/?$/i;

/** Counts the codes that a session asks for. A code is counted before it is sent, and taken back when none was. */
@Injectable()
export class CodeCountInterceptor implements NestInterceptor {
  constructor(
    private readonly sessions: SessionService,
    private readonly codes: CodeCountService,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    const session = costsCode(context, request) ? await this.sessions.current(request) : null;
    if (session === null || (await this.codes.isCounted(session, request))) return next.handle();
    await this.codes.count(session);
    // A code that stays counted by a failure here is no reason to lose the answer.
    const uncount = (): Promise<void> => this.codes.uncount(session).catch(() => undefined);
    return next.handle().pipe(
      catchError(async (error: unknown) => {
        // After another failure the code may be on its way.
        if (isRefusal(error)) await uncount();
        throw error;
      }),
      mergeMap(async (answer: unknown) => {
        const isRepeat = (): Promise<boolean> =>
          this.codes.remember(session, request).catch(() => false);
        if (!isMessage(answer) || (await isRepeat())) await uncount();
        return answer;
      }),
    );
  }
}

/**
 * Whether a request sends a code that a session pays for. A browser that still has a session signs in again to begin another one. Only
 * the request names its purpose: in the body of `resend` that member is ignored, and a thief could add it to be counted nowhere.
 */
function costsCode(context: ExecutionContext, { path }: HttpRequest): boolean {
  return RESEND.test(path) || (REQUEST.test(path) && bodyOf(context)['purpose'] !== 'login');
}

/** Apps, passkeys and recovery codes confirm without a message, and without its recipient. */
function isMessage(answer: unknown): boolean {
  return isRecord(answer) && 'maskedToken' in answer;
}

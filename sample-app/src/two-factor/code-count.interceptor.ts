import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { catchError, mergeMap, type Observable } from 'rxjs';

import type { HttpRequest } from '../http/http.js';
import { SessionService } from '../sessions/session.service.js';
import { bodyOf, isRecord } from './details.js';

const SENDS = /\/(?:request-confirmation|resend)\/?$/i;

/** Counts the codes that a session asks for. A code is counted before it is sent, and taken back when none was. */
@Injectable()
export class CodeCountInterceptor implements NestInterceptor {
  constructor(private readonly sessions: SessionService) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<HttpRequest>();
    // A browser that still has a session signs in again to begin another one.
    if (!SENDS.test(request.path) || bodyOf(context)['purpose'] === 'login') return next.handle();
    const session = await this.sessions.current(request);
    if (session === null) return next.handle();
    await this.sessions.countCode(session);
    // A code that stays counted by a failure here is no reason to lose the answer.
    const uncount = (): Promise<void> => this.sessions.uncountCode(session).catch(() => undefined);
    return next.handle().pipe(
      catchError(async (error: unknown) => {
        await uncount();
        throw error;
      }),
      mergeMap(async (answer: unknown) => {
        if (!isMessage(answer)) await uncount();
        return answer;
      }),
    );
  }
}

/** Apps, passkeys and recovery codes confirm without a message, and without its recipient. */
function isMessage(answer: unknown): boolean {
  return isRecord(answer) && 'maskedToken' in answer;
}

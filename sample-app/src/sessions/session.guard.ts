import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';

import type { HttpRequest } from '../http/http.js';
import type { Session } from './session.entity.js';
import { SessionService, signInRequired } from './session.service.js';

/** Refuses every request without a session. */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(private readonly sessions: SessionService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<HttpRequest & { session?: Session }>();
    const session = await this.sessions.current(request);
    if (session === null) throw signInRequired();
    request.session = session;
    return true;
  }
}

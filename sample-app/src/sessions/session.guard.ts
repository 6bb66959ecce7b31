import {
  Injectable,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';

import type { User } from '../accounts/user.entity.js';
import type { HttpRequest } from './http.js';
import { SessionService } from './session.service.js';

/** Lets in who is signed in. */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(private readonly sessions: SessionService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<HttpRequest & { user?: User }>();
    const user = await this.sessions.userOf(request);
    if (user === null) throw new UnauthorizedException('Please sign in.');
    request.user = user;
    return true;
  }
}

import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

import type { User } from '../accounts/user.entity.js';
import type { Session } from './session.entity.js';

function sessionOf(context: ExecutionContext): Session {
  const { session } = context.switchToHttp().getRequest<{ session?: Session }>();
  if (session === undefined) throw new Error('The route has no SessionGuard. Add it.');
  return session;
}

/** The session that `SessionGuard` found. */
export const CurrentSession = createParamDecorator(
  (_: unknown, context: ExecutionContext): Session => sessionOf(context),
);

/** The user of that session. */
export const CurrentUser = createParamDecorator(
  (_: unknown, context: ExecutionContext): User => sessionOf(context).user,
);

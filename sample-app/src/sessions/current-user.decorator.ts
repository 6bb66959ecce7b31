import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

import type { User } from '../accounts/user.entity.js';

/** The user that `SessionGuard` let in. */
export const CurrentUser = createParamDecorator((_: unknown, context: ExecutionContext): User => {
  const { user } = context.switchToHttp().getRequest<{ user?: User }>();
  if (user === undefined) throw new Error('@CurrentUser() works behind SessionGuard. Add it.');
  return user;
});

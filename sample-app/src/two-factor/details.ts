import type { ExecutionContext } from '@nestjs/common';

import type { HttpRequest } from '../http/http.js';

/** The members of a body as they were sent: guards and resolvers run before pipes. */
export function bodyOf(context: ExecutionContext): Readonly<Record<string, unknown>> {
  const { body } = context.switchToHttp().getRequest<HttpRequest>();
  return isRecord(body) ? body : {};
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Where the details of `change-phone` are in the body of its route, which has other members too. nestjs-two-factor checks
 * them by the class that the purpose declares.
 */
export function phoneDetails(context: ExecutionContext): { readonly phone: unknown } {
  return { phone: bodyOf(context)['phone'] };
}

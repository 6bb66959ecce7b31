import type { CanActivate, ExecutionContext } from '@nestjs/common';

import { keepContext } from './call-context.js';

/** The part of a response that Express and Fastify share. */
interface Response {
  header(name: string, value: string): unknown;
}

/**
 * Forbids caches to store the responses of a controller. It is a guard, because `@Header` is not applied when a later guard
 * refuses the call. It keeps the context of the call for the handler.
 */
export class NoStoreGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    keepContext(context);
    context.switchToHttp().getResponse<Response>().header('Cache-Control', 'no-store');
    return true;
  }
}

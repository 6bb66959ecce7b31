import type { CanActivate, ExecutionContext } from '@nestjs/common';

/** The part of a response that Express and Fastify share. */
interface Response {
  header(name: string, value: string): unknown;
}

/**
 * Forbids caches to store the responses of a controller. It is a guard, because `@Header` is not applied when a later guard
 * refuses the call.
 */
export class NoStoreGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    context.switchToHttp().getResponse<Response>().header('Cache-Control', 'no-store');
    return true;
  }
}

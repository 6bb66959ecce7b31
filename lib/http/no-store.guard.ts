import type { CanActivate, ExecutionContext } from '@nestjs/common';

/** What both Express and Fastify answer with. */
interface Response {
  header(name: string, value: string): unknown;
}

/**
 * Keeps every answer of a controller out of all caches. A guard, because `@Header` comes too late for what the guards
 * behind it refuse.
 */
export class NoStoreGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    context.switchToHttp().getResponse<Response>().header('Cache-Control', 'no-store');
    return true;
  }
}

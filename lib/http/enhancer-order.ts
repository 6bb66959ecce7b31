import type { CanActivate, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { defer, tap } from 'rxjs';

import { proofOf, proofReservation } from './confirmation-proof.js';
import { rethrowFor } from './two-factor-http.exception.js';

/** Where Nest keeps what `@UseGuards` and `@UseInterceptors` were given, on classes and methods. */
const GUARDS = '__guards__';
const INTERCEPTORS = '__interceptors__';

const demands = new WeakMap<ExecutionContext, () => Promise<void>>();

/**
 * Stands behind all other guards of a method, and makes there the demand that `ConfirmationGuard` has postponed. A guard
 * that refused after `ConfirmationGuard` would have cost the person a proof, and a guard that signs the caller in after it
 * would find no subject for a valid proof.
 */
export const LAST_GUARD: CanActivate = {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const demand = demands.get(context);
    demands.delete(context);
    await demand?.();
    return true;
  },
};

/** Stands behind all other interceptors of a method: whether the handler still runs is known there alone. */
export const HANDLER_WATCH: NestInterceptor = {
  intercept(context, next) {
    const proof = proofOf(context);
    if (proof === undefined) return next.handle();
    const reservation = proofReservation(proof);
    return defer(() => {
      rethrowFor(context, () => reservation.handlerBegins());
      const end = (): void => reservation.handlerEnds();
      // Not when it is unsubscribed from: the handler goes on then.
      return next.handle().pipe(tap({ error: end, complete: end }));
    });
  },
};

/** Lets `LAST_GUARD` make the demand, if it stands behind the guards of this call; false otherwise. */
export function postpone(context: ExecutionContext, demand: () => Promise<void>): boolean {
  if (!listOf(GUARDS, context.getHandler()).includes(LAST_GUARD)) return false;
  demands.set(context, demand);
  return true;
}

/**
 * Whether Nest runs the guard and the interceptor of `@RequireConfirmation` for this method: another decorator may have
 * put lists of its own in their place.
 */
export function isEnhanced(
  type: object,
  method: object,
  guard: object,
  interceptor: object,
): boolean {
  return (
    effective(GUARDS, type, method).includes(guard) &&
    effective(INTERCEPTORS, type, method).includes(interceptor)
  );
}

/** Puts `LAST_GUARD` behind other guards of the method, wherever `guard` stands among them and those of the class. */
export function putGuardLast(type: object, method: object, guard: object): void {
  const all = effective(GUARDS, type, method);
  const isFollowed = all.includes(guard) && all.indexOf(guard) < all.length - 1;
  if (isFollowed) putLast(GUARDS, method, LAST_GUARD);
}

/** Puts `HANDLER_WATCH` behind all interceptors of the method. */
export function watchHandler(method: object): void {
  putLast(INTERCEPTORS, method, HANDLER_WATCH);
}

function putLast(key: string, method: object, last: object): void {
  const others = listOf(key, method).filter((each) => each !== last);
  Reflect.defineMetadata(key, [...others, last], method);
}

/** In the order in which Nest runs them. */
function effective(key: string, type: object, method: object): readonly unknown[] {
  return [...listOf(key, type), ...listOf(key, method)];
}

function listOf(key: string, target: object): readonly unknown[] {
  return (Reflect.getMetadata(key, target) as readonly unknown[] | undefined) ?? [];
}

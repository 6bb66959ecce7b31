import type { CanActivate, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { defer, tap } from 'rxjs';

import { proofOf, proofReservation } from './confirmation-proof.js';
import { rethrowForTransport } from './two-factor-http.exception.js';

/** The metadata keys of `@UseGuards` and `@UseInterceptors`, on classes and methods. */
const GUARDS = '__guards__';
const INTERCEPTORS = '__interceptors__';

/** The checks that `ConfirmationGuard` has postponed, by the context of their call. */
const postponed = new WeakMap<ExecutionContext, () => Promise<void>>();

/**
 * Runs the postponed check of `ConfirmationGuard` behind all other guards of a method. Without it, a later guard that refuses
 * the call would cost the person a proof, and a later guard that authenticates the caller would be too late for the subject.
 */
export const LAST_GUARD: CanActivate = {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const check = postponed.get(context);
    postponed.delete(context);
    await check?.();
    return true;
  },
};

/** Reports the beginning and the end of the handler. It runs behind all other interceptors, which may end a call earlier. */
export const HANDLER_WATCH: NestInterceptor = {
  intercept(context, next) {
    const proof = proofOf(context);
    if (proof === undefined) return next.handle();
    const reservation = proofReservation(proof);
    return defer(() => {
      rethrowForTransport(context, () => reservation.handlerBegins());
      const end = (): void => reservation.handlerEnds();
      // An unsubscription is no end, because the handler continues to run.
      return next.handle().pipe(tap({ error: end, complete: end }));
    });
  },
};

/** Postpones a check to `LAST_GUARD`. False when the method has no such guard; the check must then run immediately. */
export function postpone(context: ExecutionContext, check: () => Promise<void>): boolean {
  if (!enhancersOf(GUARDS, context.getHandler()).includes(LAST_GUARD)) return false;
  postponed.set(context, check);
  return true;
}

/**
 * Whether Nest runs the guard and the interceptor of `@RequireConfirmation` for this method. Another decorator may have replaced
 * the lists that contained them.
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

/**
 * Adds `LAST_GUARD`, which runs the postponed check of `guard`, behind the guards of the method if another guard of the method or
 * its class follows `guard`.
 */
export function putGuardLast(type: object, method: object, guard: object): void {
  const all = effective(GUARDS, type, method);
  const isFollowed = all.includes(guard) && all.indexOf(guard) < all.length - 1;
  if (isFollowed) putLast(GUARDS, method, LAST_GUARD);
}

/** Adds `HANDLER_WATCH` behind all interceptors of the method. */
export function watchHandler(method: object): void {
  putLast(INTERCEPTORS, method, HANDLER_WATCH);
}

function putLast(key: string, method: object, last: object): void {
  const others = enhancersOf(key, method).filter((each) => each !== last);
  Reflect.defineMetadata(key, [...others, last], method);
}

/** The guards or interceptors of class and method, in the order in which Nest runs them. */
function effective(key: string, type: object, method: object): readonly unknown[] {
  return [...enhancersOf(key, type), ...enhancersOf(key, method)];
}

function enhancersOf(key: string, target: object): readonly unknown[] {
  return (Reflect.getMetadata(key, target) as readonly unknown[] | undefined) ?? [];
}

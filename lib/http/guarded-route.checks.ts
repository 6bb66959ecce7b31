import { copiesHint, TwoFactorConfigurationError } from '../errors/index.js';
import { ConfirmationGuard } from './confirmation.guard.js';
import { ConfirmationInterceptor } from './confirmation.interceptor.js';
import { ownerOf, requirementOf } from './confirmation-requirement.js';
import { isEnhanced } from './enhancer-order.js';
import type { GuardedClass, GuardedMethod } from './guarded-class.js';
import { isRoute, looksLikeRoute, takesProof } from './route-metadata.js';

/**
 * Refuses a decorated method that another function without the decorator has replaced. Nest reads routes and guards from the
 * function, so the route would run unguarded.
 */
export function refuseLostDecorators({ type, listing, ofClass, decorated }: GuardedClass): void {
  for (const [name, { requirement, prototype }] of decorated) {
    const method = (type.prototype as Readonly<Record<string, unknown>>)[name];
    if (typeof method !== 'function' || requirementOf(method)) continue;
    const where = `${type.name}.${name}`;
    if (ownerOf(type.prototype as object, name) === prototype) {
      throw new TwoFactorConfigurationError(
        `${where} has lost its @RequireConfirmation: another decorator has put a function of its own in its place. Put ` +
          '@RequireConfirmation above that decorator.',
      );
    }
    // A subclass may remove a route: it overrides the method without the decorator of the route, and no transport calls it.
    const isCalled = requirement.isCustomRoute || isRoute(type, method, listing);
    if (ofClass || !isCalled) continue;
    throw new TwoFactorConfigurationError(
      `${where} overrides a method that has @RequireConfirmation, and has none itself. Repeat the decorator on it, or put ` +
        'it on the class.',
    );
  }
}

/** The error for a decorator without effect: no transport calls the method, or any method of the class. */
export function noRoute(where: string, method?: object): TwoFactorConfigurationError {
  return new TwoFactorConfigurationError(
    method !== undefined && looksLikeRoute(method)
      ? `${where} has @RequireConfirmation and the decorator of a route, but no transport calls it. List its class under ` +
          'controllers (HTTP, microservices), or under providers (resolvers, and gateways with @WebSocketGateway).'
      : `${where} has @RequireConfirmation, but is no route: Nest runs no guard there. Put it on a method with the ` +
          'decorator of a route (such as @Post, @Mutation, @SubscribeMessage or @MessagePattern), or say isCustomRoute: true ' +
          'if a transport of your own calls it through guards and interceptors.',
  );
}

/** @throws TwoFactorConfigurationError when Nest would not run the guard, or the handler could not use its proof. */
export function assertRoute(
  { type, instance }: GuardedClass,
  { name, method, requirement }: GuardedMethod,
): void {
  const where = `${type.name}.${name}`;
  if (!isEnhanced(type, method, ConfirmationGuard, ConfirmationInterceptor)) {
    throw new TwoFactorConfigurationError(
      `${where} has @RequireConfirmation, and another decorator has removed its guard or its interceptor. Put ` +
        `@RequireConfirmation above that decorator.${copiesHint()}`,
    );
  }
  const called = calledFunction(instance, name) ?? method;
  if (requirementOf(method) && !requirementOf(called)) {
    throw new TwoFactorConfigurationError(
      `${where} has @RequireConfirmation, but its instance has a function of its own in its place, which Nest would call ` +
        'without guards. Do not bind or wrap the method in the constructor.',
    );
  }
  if (requirement.useIn === 'handler' && !takesProof(type, name)) {
    throw new TwoFactorConfigurationError(
      `${where} has @RequireConfirmation with useIn: 'handler', but no @Confirmation() among its parameters. Add ` +
        `@Confirmation() proof: ConfirmationProof and call proof.use(), or say useIn: 'guard'.`,
    );
  }
}

function calledFunction(instance: unknown, name: string): object | undefined {
  if (typeof instance !== 'object' || instance === null) return undefined;
  const called = (instance as Readonly<Record<string, unknown>>)[name];
  return typeof called === 'function' ? called : undefined;
}

import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { ConfirmationGuard } from './confirmation.guard.js';
import { decoratedMethods, requirementOf } from './confirmation-requirement.js';
import { putGuardLast, watchHandler } from './enhancer-order.js';
import { guardedClasses, guardedMethods, type GuardedClass } from './guarded-class.js';
import { assertRoute, noRoute, refuseLostDecorators } from './guarded-route.checks.js';
import { isGraphQlField, isRoute, isTypeResolver } from './route-metadata.js';

/** The token under which @nestjs/graphql provides the options of its module. */
const GRAPHQL_OPTIONS = 'GqlModuleOptions';

/**
 * Moves the guard of `@RequireConfirmation` behind all other guards, and stops the boot for a decorator without effect: one that
 * Nest never runs, that another decorator removed, whose purpose has no subject, or whose handler could not use its proof.
 */
@Injectable()
export class GuardedRouteExplorer implements OnModuleInit {
  constructor(private readonly modules: ModulesContainer) {}

  /**
   * Called while Nest creates the providers: all classes are known by then, and no transport has read the guards of its routes.
   * `onModuleInit` would be too late, because HTTP, WebSockets and microservices read the guards earlier.
   */
  moveGuardsLast(): void {
    for (const guarded of guardedClasses(this.modules)) {
      for (const { method, requirement } of guardedMethods(guarded)) {
        putGuardLast(guarded.type, method, ConfirmationGuard);
        if (requirement.useIn === 'handler') watchHandler(method);
      }
    }
  }

  onModuleInit(): void {
    for (const guarded of guardedClasses(this.modules)) this.#assertGuardsWillRun(guarded);
    this.#refuseGuardedObjects();
  }

  #assertGuardsWillRun(guarded: GuardedClass): void {
    const { type, module, listing, ofClass } = guarded;
    refuseLostDecorators(guarded);
    // An application may have several instances of this package. The module of the class imports one of them.
    const guard: unknown = module.injectables.get(ConfirmationGuard)?.instance;
    let hasRoute = false;
    for (const each of guardedMethods(guarded)) {
      const { name, method, requirement } = each;
      const where = `${type.name}.${name}`;
      const isCalled = requirement.isCustomRoute || isRoute(type, method, listing);
      if (!isCalled && requirementOf(method)) throw noRoute(where, method);
      if (!isCalled) continue;
      hasRoute = true;
      if (guard instanceof ConfirmationGuard) {
        guard.assertGuardable(requirement, requirement === ofClass ? type.name : where);
      }
      assertRoute(guarded, each);
      if (isGraphQlField(method)) this.#refuseGraphQlField(where, name);
    }
    if (ofClass && !hasRoute) throw noRoute(type.name);
  }

  /** Refuses guarded objects of `useFactory` and `useValue`: Nest reads guards from provided classes only. */
  #refuseGuardedObjects(): void {
    const providers = [...this.modules.values()].flatMap((module) => [
      ...module.providers.values(),
    ]);
    const created = new Set<unknown>(
      providers.filter(({ isNotMetatype }) => !isNotMetatype).map(({ instance }) => instance),
    );
    for (const { instance, isNotMetatype, isAlias } of providers) {
      const value: unknown = instance;
      if (!isNotMetatype || isAlias || created.has(value) || !isGuarded(value)) continue;
      throw new TwoFactorConfigurationError(
        `${value.constructor.name} has @RequireConfirmation, and is provided by useFactory or useValue, where Nest runs no ` +
          'guard. List the class itself under providers.',
      );
    }
  }

  #refuseGraphQlField(where: string, name: string): void {
    if (this.#guardsGraphQlFields() && !isTypeResolver(name)) return;
    throw new TwoFactorConfigurationError(
      `${where} is a GraphQL field, where Nest runs no guard. Put @RequireConfirmation on the query or mutation` +
        (isTypeResolver(name)
          ? '.'
          : `, or give GraphQLModule fieldResolverEnhancers: ['guards', 'interceptors'].`),
    );
  }

  #guardsGraphQlFields(): boolean {
    return [...this.modules.values()].every(({ providers }) => {
      const options = providers.get(GRAPHQL_OPTIONS)?.instance as
        { fieldResolverEnhancers?: readonly string[] } | undefined;
      if (options === undefined) return true;
      const { fieldResolverEnhancers: enhancers = [] } = options;
      return enhancers.includes('guards') && enhancers.includes('interceptors');
    });
  }
}

function isGuarded(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype !== 'object' || prototype === null || prototype === Object.prototype) {
    return false;
  }
  const type: unknown = prototype.constructor;
  return (
    (typeof type === 'function' && requirementOf(type) !== undefined) ||
    decoratedMethods(prototype).size > 0
  );
}

import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { ConfirmationGuard } from './confirmation.guard.js';
import { REQUIREMENT, type ConfirmationRequirement } from './confirmation-requirement.js';

type NestModule = ModulesContainer extends Map<string, infer Module> ? Module : never;

/** What `@ResolveField` of @nestjs/graphql leaves on a method, and where its module keeps its options. */
const GRAPHQL_FIELD = 'graphql:resolve_property';
const GRAPHQL_OPTIONS = 'GqlModuleOptions';

/** Refuses to boot with a guarded route whose proof would not be bound to anybody, or whose guard Nest would not run. */
@Injectable()
export class GuardedRouteExplorer implements OnModuleInit {
  readonly #scanner = new MetadataScanner();

  constructor(private readonly modules: ModulesContainer) {}

  onModuleInit(): void {
    const created = new Set<unknown>();
    for (const module of this.modules.values()) {
      for (const wrapper of module.providers.values()) {
        if (!wrapper.isNotMetatype) created.add(wrapper.instance);
      }
    }
    for (const module of this.modules.values()) {
      // Of several instances of this package, the module of the route sees one.
      const guard: unknown = module.injectables.get(ConfirmationGuard)?.instance;
      if (guard instanceof ConfirmationGuard) this.#exploreModule(module, guard);
      for (const { instance, isNotMetatype, isAlias } of module.providers.values()) {
        if (isNotMetatype && !isAlias && !created.has(instance)) this.#refuseHandMade(instance);
      }
    }
  }

  #exploreModule(module: NestModule, guard: ConfirmationGuard): void {
    for (const { metatype } of [...module.controllers.values(), ...module.providers.values()]) {
      const type: unknown = metatype;
      if (typeof type !== 'function') continue;
      const prototype: unknown = type.prototype;
      if (typeof prototype !== 'object' || prototype === null) continue;
      const ofClass = requirementOf(type);
      if (ofClass) guard.assertGuardable(ofClass, type.name);
      for (const [name, handler] of this.#methodsOf(prototype)) {
        const where = `${type.name}.${name}`;
        const requirement = requirementOfMethod(handler);
        if (requirement) guard.assertGuardable(requirement, where);
        if (requirement ?? ofClass) this.#refuseField(handler, where);
      }
    }
  }

  /** Nest takes the guards of a class from its place among the providers: of an object it only knows that it is there. */
  #refuseHandMade(instance: unknown): void {
    if (typeof instance !== 'object' || instance === null) return;
    const prototype: unknown = Object.getPrototypeOf(instance);
    if (typeof prototype !== 'object' || prototype === null || prototype === Object.prototype)
      return;
    const type: unknown = prototype.constructor;
    if (typeof type !== 'function') return;
    const isGuarded =
      requirementOf(type) ??
      this.#methodsOf(prototype).some(([, each]) => requirementOfMethod(each));
    if (!isGuarded) return;
    throw new TwoFactorConfigurationError(
      `${type.name} has @RequireConfirmation, and is provided by useFactory or useValue, where Nest runs no guard. ` +
        'List the class itself under providers.',
    );
  }

  #refuseField(handler: object, where: string): void {
    if (!Reflect.hasMetadata(GRAPHQL_FIELD, handler) || this.#guardsFields()) return;
    throw new TwoFactorConfigurationError(
      `${where} is a GraphQL field, where Nest runs no guard. Put @RequireConfirmation on the query or mutation, or give ` +
        `GraphQLModule fieldResolverEnhancers: ['guards', 'interceptors'].`,
    );
  }

  #guardsFields(): boolean {
    return [...this.modules.values()].every(({ providers }) => {
      const options = providers.get(GRAPHQL_OPTIONS)?.instance as
        { fieldResolverEnhancers?: readonly string[] } | undefined;
      if (options === undefined) return true;
      const { fieldResolverEnhancers: enhancers = [] } = options;
      return enhancers.includes('guards') && enhancers.includes('interceptors');
    });
  }

  #methodsOf(prototype: object): (readonly [name: string, method: object])[] {
    return this.#scanner.getAllMethodNames(prototype).flatMap((name) => {
      const method = (prototype as Record<string, unknown>)[name];
      return typeof method === 'function' ? [[name, method] as const] : [];
    });
  }
}

function requirementOf(target: object): ConfirmationRequirement | undefined {
  return Reflect.getMetadata(REQUIREMENT, target) as ConfirmationRequirement | undefined;
}

/** As `requirementOf`, of what a decorator may have put another function before: three times as fast, for all methods of all providers. */
function requirementOfMethod(method: object): ConfirmationRequirement | undefined {
  let each: unknown = method;
  while (typeof each === 'function' && each !== Function.prototype) {
    const own: unknown = Reflect.getOwnMetadata(REQUIREMENT, each);
    if (own !== undefined) return own as ConfirmationRequirement;
    each = Object.getPrototypeOf(each);
  }
  return undefined;
}

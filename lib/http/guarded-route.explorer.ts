import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';

import { ConfirmationGuard } from './confirmation.guard.js';
import { REQUIREMENT, type ConfirmationRequirement } from './confirmation-requirement.js';

type NestModule = ModulesContainer extends Map<string, infer Module> ? Module : never;

/** Refuses to boot with a guarded route whose proof would not be bound to anybody. */
@Injectable()
export class GuardedRouteExplorer implements OnModuleInit {
  readonly #scanner = new MetadataScanner();

  constructor(
    private readonly modules: ModulesContainer,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    for (const module of this.modules.values()) {
      // Of several instances of this package, the module of the route sees one.
      const guard: unknown = module.injectables.get(ConfirmationGuard)?.instance;
      if (guard instanceof ConfirmationGuard) this.#exploreModule(module, guard);
    }
  }

  #exploreModule(module: NestModule, guard: ConfirmationGuard): void {
    for (const { metatype } of [...module.controllers.values(), ...module.providers.values()]) {
      const type: unknown = metatype;
      if (
        typeof type !== 'function' ||
        typeof type.prototype !== 'object' ||
        type.prototype === null
      )
        continue;
      const handlers = this.#scanner.getAllMethodNames(type.prototype as object).map((name) => {
        const handler = (type.prototype as Record<string, unknown>)[name];
        return [`${type.name}.${name}`, handler] as const;
      });
      for (const [where, target] of [[type.name, type] as const, ...handlers]) {
        if (typeof target !== 'function') continue;
        const requirement = this.reflector.get<ConfirmationRequirement | undefined>(
          REQUIREMENT,
          target,
        );
        if (requirement !== undefined) guard.assertGuardable(requirement, where);
      }
    }
  }
}

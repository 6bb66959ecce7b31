import { Module, Scope, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';

import { COPIES_REMEDY, otherCopies, TwoFactorConfigurationError } from './errors/index.js';

/** Refuses the services of other copies of this package, for all modules of the application. */
@Module({})
class ForeignServicesModule {}

/**
 * The created modules by the number of other copies. Kept, because Nest 11 identifies a module by its object, and reads it often.
 */
const modulesByCopyCount = new Map<number, DynamicModule>();

/**
 * A module whose providers refuse the boot when something injects a service of another copy, such as a library of a workspace or
 * the guard of `@RequireConfirmation` of that copy. Nest itself would say that it cannot resolve a class which is there.
 *
 * With one copy in the process it is a module that `TwoFactorModule` imports anyway.
 */
export function foreignServices(): DynamicModule | Type<object> {
  const others = otherCopies();
  if (others.length === 0) return DiscoveryModule;
  const known = modulesByCopyCount.get(others.length);
  if (known !== undefined) return known;
  const providers = others.flatMap(({ services }) => services.map(refusingProvider));
  const module = {
    module: ForeignServicesModule,
    global: true,
    providers,
    exports: providers.map(({ provide }) => provide),
  };
  modulesByCopyCount.set(others.length, module);
  return module;
}

/**
 * A provider whose factory throws. It is transient, so that Nest calls the factory only for a class that injects the service: an
 * application that merely loads a second copy of the package boots.
 */
function refusingProvider(service: abstract new (...args: never[]) => object) {
  return {
    provide: service,
    scope: Scope.TRANSIENT,
    useFactory: (): never => {
      throw new TwoFactorConfigurationError(
        `Something injects the ${service.name} of another copy of nestjs-two-factor than TwoFactorModule. ${COPIES_REMEDY}`,
      );
    },
  } satisfies Provider;
}

import { applyDecorators, HttpCode, Post, SetMetadata } from '@nestjs/common';

import { ApiRoute, type RouteDocument } from './api-route.decorator.js';
import { ApiHidden } from './open-api.js';

/** The metadata key of `@RouteConstraints` of @nestjs/platform-fastify, which is not imported. Express ignores it. */
const FASTIFY_CONSTRAINTS = '__fastify_route_constraints__';

/**
 * Declares a POST route with status 200, at `path` and at `path/`. Express treats both as one route, Fastify does not. For the
 * slash there is a second method, which calls the first and is left out of the API document.
 */
export function JsonRoute(path: string, document: RouteDocument): MethodDecorator {
  return (target: object, name: string | symbol, descriptor: PropertyDescriptor) => {
    applyDecorators(Post(path), HttpCode(200), ApiRoute(document))(target, name, descriptor);

    const method = descriptor.value as (...args: unknown[]) => unknown;
    const twin = function (this: unknown, ...args: unknown[]): unknown {
      return method.apply(this, args);
    };
    // Throttlers count by the handler's name, so both routes share one count.
    Object.defineProperty(twin, 'name', { value: name });
    const twinName = `${String(name)}WithSlash`;
    const twinDescriptor = { ...descriptor, value: twin };
    Object.defineProperty(target, twinName, twinDescriptor);
    // The decorators of the parameters have run before, and have stored their metadata under the first method's name.
    for (const owner of [target, target.constructor]) copyMetadata(owner, name, twinName);
    applyDecorators(
      // Nest removes one slash.
      Post(`${path}//`),
      HttpCode(200),
      ApiHidden(),
      // With ignoreTrailingSlash Fastify would refuse this route as a duplicate of the first. A constraint makes it a
      // different route, and every host satisfies this constraint.
      SetMetadata(FASTIFY_CONSTRAINTS, { host: /^/ }),
    )(target, twinName, twinDescriptor);
  };
}

function copyMetadata(owner: object, from: string | symbol, to: string): void {
  for (const key of Reflect.getOwnMetadataKeys(owner, from) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, owner, from), owner, to);
  }
}

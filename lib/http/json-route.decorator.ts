import { applyDecorators, HttpCode, Post, SetMetadata } from '@nestjs/common';

import { ApiRoute, type RouteDocument } from './api-route.decorator.js';
import { ApiHidden } from './open-api.js';

/** What `@RouteConstraints` of @nestjs/platform-fastify leaves, without importing it. Express does not look at it. */
const FASTIFY_CONSTRAINTS = '__fastify_route_constraints__';

/**
 * A POST that answers 200, at `path` and at `path/`. Express takes one for the other, Fastify does not: the slash gets a
 * method of its own, which calls the first and is in no document.
 */
export function JsonRoute(path: string, document: RouteDocument): MethodDecorator {
  return (target: object, name: string | symbol, descriptor: PropertyDescriptor) => {
    applyDecorators(Post(path), HttpCode(200), ApiRoute(document))(target, name, descriptor);

    const method = descriptor.value as (...args: unknown[]) => unknown;
    const twin = function (this: unknown, ...args: unknown[]): unknown {
      return method.apply(this, args);
    };
    // Throttlers count by the handler's name.
    Object.defineProperty(twin, 'name', { value: name });
    const twinName = `${String(name)}WithSlash`;
    const twinDescriptor = { ...descriptor, value: twin };
    Object.defineProperty(target, twinName, twinDescriptor);
    // The decorators of the parameters have run by now, and left what they say under the method's name.
    for (const owner of [target, target.constructor]) copyMetadata(owner, name, twinName);
    applyDecorators(
      // Nest strips one slash.
      Post(`${path}//`),
      HttpCode(200),
      ApiHidden(),
      // Under Fastify's ignoreTrailingSlash this is the first route once more, which it refuses to have twice, were it
      // not for a constraint. Every host meets this one.
      SetMetadata(FASTIFY_CONSTRAINTS, { host: /^/ }),
    )(target, twinName, twinDescriptor);
  };
}

function copyMetadata(owner: object, from: string | symbol, to: string): void {
  for (const key of Reflect.getOwnMetadataKeys(owner, from) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getOwnMetadata(key, owner, from), owner, to);
  }
}

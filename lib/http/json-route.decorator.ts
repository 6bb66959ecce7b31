import {
  applyDecorators,
  HttpCode,
  Post,
  Req,
  SetMetadata,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';

import type { ResolvedOptions } from '../options/index.js';
import { ApiRoute, type RouteDocument } from './api-route.decorator.js';
import { BodyReader } from './body-reader.js';
import { contextOf } from './call-context.js';
import { ApiHidden } from './open-api.js';
import { asHttpException } from './two-factor-http.exception.js';

/** The metadata key of `@RouteConstraints` of @nestjs/platform-fastify, which is not imported. Express ignores it. */
const FASTIFY_CONSTRAINTS = '__fastify_route_constraints__';

/** A controller with routes by `JsonRoute`. */
interface JsonController {
  readonly options: ResolvedOptions;
}

type RouteMethod = (
  this: JsonController,
  body: object,
  context: ExecutionContext,
) => Promise<unknown>;

/**
 * Declares a POST route with status 200, at `path` and at `path/`. Express treats both as one route, Fastify does not. For the
 * slash there is a second method, which calls the first and is left out of the API document.
 *
 * The decorated method receives the validated body and the context of the call. Nest's only parameter is the request, which
 * no global pipe of the application receives. Errors leave the method as HTTP exceptions, because an interceptor of the
 * application may turn every other error into a 500.
 */
export function JsonRoute(
  path: string,
  document: RouteDocument & { readonly body: Type<object> },
): MethodDecorator {
  const reader = new BodyReader(document.body);
  return (target: object, key: string | symbol, descriptor: PropertyDescriptor) => {
    const name = String(key);
    const method = descriptor.value as RouteMethod;
    const handler = async function (this: JsonController, request: object): Promise<unknown> {
      try {
        return await method.call(this, await reader.read(request), contextOf(request));
      } catch (error) {
        throw asHttpException(error, this.options.clock.now());
      }
    };
    applyDecorators(Post(path), HttpCode(200), ApiRoute(document))(
      target,
      name,
      defineRoute(target, name, name, handler),
    );
    const twin = function (this: JsonController, request: object): Promise<unknown> {
      return handler.call(this, request);
    };
    const [, twinName] = methodsOfRoute(name);
    applyDecorators(
      // Nest removes one slash.
      Post(`${path}//`),
      HttpCode(200),
      ApiHidden(),
      // With ignoreTrailingSlash Fastify would refuse this route as a duplicate of the first. A constraint makes it a
      // different route, and every host satisfies this constraint.
      SetMetadata(FASTIFY_CONSTRAINTS, { host: /^/ }),
    )(target, twinName, defineRoute(target, twinName, name, twin));
    descriptor.value = handler;
  };
}

/** The names of the two methods of a route: the decorated one, and the one for the slash. */
export function methodsOfRoute(name: string): readonly [plain: string, withSlash: string] {
  return [name, `${name}WithSlash`];
}

/** @param shown The name of the function. Throttlers count by it, so that both methods of a route share one count. */
function defineRoute(
  target: object,
  name: string,
  shown: string,
  value: (...args: never[]) => unknown,
): PropertyDescriptor {
  Object.defineProperty(value, 'name', { value: shown });
  const descriptor: PropertyDescriptor = { value, writable: true, configurable: true };
  Object.defineProperty(target, name, descriptor);
  Req()(target, name, 0);
  return descriptor;
}

import { isConfirmationFactory } from './confirmation.decorator.js';

/** What the decorators of Nest's transports leave on methods and classes. Nest routes a call by it, and by nothing else. */
const HTTP_PATH = 'path';
const MESSAGE_PATTERN = 'microservices:handler_type';
const SOCKET_MESSAGE = 'websockets:message_mapping';
const SOCKET_GATEWAY = 'websockets:is_gateway';
const GRAPHQL_OPERATION = 'graphql:resolver_type';
const GRAPHQL_FIELD = 'graphql:resolve_property';
const GRAPHQL_REFERENCE = 'graphql:resolve_reference';
/** All transports keep the parameters of a handler there, on the class and by the method's name. */
const PARAMETERS = '__routeArguments__';

/** How the modules of the application list a class. */
export interface Listing {
  readonly isController: boolean;
  readonly isProvider: boolean;
}

/** Whether a transport of Nest calls this method of a class that is listed so. */
export function isRoute(
  type: object,
  method: object,
  { isController, isProvider }: Listing,
): boolean {
  const isOfController = has(HTTP_PATH, method) || has(MESSAGE_PATTERN, method);
  const isOfGateway = has(SOCKET_MESSAGE, method) && has(SOCKET_GATEWAY, type);
  return (isController && isOfController) || (isProvider && (isGraphQl(method) || isOfGateway));
}

/** Whether the method has the decorator of a route, in a class that may not be listed as that needs. */
export function looksLikeRoute(method: object): boolean {
  const keys = [HTTP_PATH, MESSAGE_PATTERN, SOCKET_MESSAGE];
  return keys.some((key) => has(key, method)) || isGraphQl(method);
}

/** Whether GraphQL resolves a field of another type by it, where Nest runs guards only on request. */
export function isField(method: object): boolean {
  return has(GRAPHQL_FIELD, method) || has(GRAPHQL_REFERENCE, method);
}

/** Whether GraphQL calls the method of this name to find out a type: without guards, whatever it is told. */
export function isTypeResolver(name: string): boolean {
  return name === '__resolveType';
}

/** Whether the method asks for its proof by `@Confirmation()`. */
export function takesProof(type: { readonly prototype: unknown }, name: string): boolean {
  // A mixin may have copied the method together with the class that keeps its parameters.
  const hosts = [type, (type.prototype as { constructor?: unknown }).constructor];
  return hosts.some((host) => {
    if (typeof host !== 'function') return false;
    const parameters = Reflect.getMetadata(PARAMETERS, host, name) as
      Readonly<Record<string, { readonly factory?: unknown }>> | undefined;
    return Object.values(parameters ?? {}).some(({ factory }) => isConfirmationFactory(factory));
  });
}

function isGraphQl(method: object): boolean {
  return has(GRAPHQL_OPERATION, method) || isField(method);
}

function has(key: string, target: object): boolean {
  return Reflect.hasMetadata(key, target);
}

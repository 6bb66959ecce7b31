import { isProofParameterFactory } from './confirmation.decorator.js';

/** The metadata keys of the decorators of Nest's transports. Nest finds routes by this metadata only. */
const HTTP_PATH = 'path';
const MESSAGE_PATTERN = 'microservices:handler_type';
const SOCKET_MESSAGE = 'websockets:message_mapping';
const SOCKET_GATEWAY = 'websockets:is_gateway';
const GRAPHQL_OPERATION = 'graphql:resolver_type';
const GRAPHQL_FIELD = 'graphql:resolve_property';
const GRAPHQL_REFERENCE = 'graphql:resolve_reference';
/** The key for the parameters of a handler, on the class and under the method's name, for all transports. */
const PARAMETERS = '__routeArguments__';

/** The lists of the application's modules that contain a class. */
export interface Listing {
  readonly isController: boolean;
  readonly isProvider: boolean;
}

/** Whether a transport of Nest calls this method, given the lists that contain its class. */
export function isRoute(
  type: object,
  method: object,
  { isController, isProvider }: Listing,
): boolean {
  const isOfController = hasMetadata(HTTP_PATH, method) || hasMetadata(MESSAGE_PATTERN, method);
  const isOfGateway = hasMetadata(SOCKET_MESSAGE, method) && hasMetadata(SOCKET_GATEWAY, type);
  return (isController && isOfController) || (isProvider && (isGraphQl(method) || isOfGateway));
}

/** Whether the method has the decorator of a route. Its class may be in the wrong list, so that no transport calls it. */
export function looksLikeRoute(method: object): boolean {
  const keys = [HTTP_PATH, MESSAGE_PATTERN, SOCKET_MESSAGE];
  return keys.some((key) => hasMetadata(key, method)) || isGraphQl(method);
}

/** Whether the method resolves a field of a GraphQL type. Nest runs guards for fields only if GraphQLModule enables them. */
export function isGraphQlField(method: object): boolean {
  return hasMetadata(GRAPHQL_FIELD, method) || hasMetadata(GRAPHQL_REFERENCE, method);
}

/** Whether GraphQL calls the method to determine a type. Nest never runs guards for it. */
export function isTypeResolver(name: string): boolean {
  return name === '__resolveType';
}

/** Whether the method has a parameter with `@Confirmation()`. */
export function takesProof(type: { readonly prototype: unknown }, name: string): boolean {
  // The metadata of parameters is on the class that declared the method. A mixin that copies the members of a prototype into
  // another class copies its `constructor` too, which is that class.
  const hosts = [type, (type.prototype as { constructor?: unknown }).constructor];
  return hosts.some((host) => {
    if (typeof host !== 'function') return false;
    const parameters = Reflect.getMetadata(PARAMETERS, host, name) as
      Readonly<Record<string, { readonly factory?: unknown }>> | undefined;
    return Object.values(parameters ?? {}).some(({ factory }) => isProofParameterFactory(factory));
  });
}

function isGraphQl(method: object): boolean {
  return hasMetadata(GRAPHQL_OPERATION, method) || isGraphQlField(method);
}

function hasMetadata(key: string, target: object): boolean {
  return Reflect.hasMetadata(key, target);
}

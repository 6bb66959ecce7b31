import type { ExecutionContext } from '@nestjs/common';

/** The contexts of the calls of the bundled controller, by request. */
const contexts = new WeakMap<object, ExecutionContext>();

/** Keeps the context of a call for its handler. */
export function keepContext(context: ExecutionContext): void {
  contexts.set(context.switchToHttp().getRequest<object>(), context);
}

/**
 * The context of a call, which a guard of the same call has kept. A parameter of the handler could not bring it: the global
 * pipes of an application receive every parameter but the request itself, and some of them rebuild or convert what they
 * receive.
 */
export function contextOf(request: object): ExecutionContext {
  return contexts.get(request) as ExecutionContext;
}

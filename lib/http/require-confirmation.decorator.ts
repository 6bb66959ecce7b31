import {
  applyDecorators,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  type ExecutionContext,
} from '@nestjs/common';

import { isName, NAME_RULE } from '../options/index.js';
import { ConfirmationGuard } from './confirmation.guard.js';
import { ConfirmationInterceptor } from './confirmation.interceptor.js';
import {
  CONFIRMATION_REQUIREMENT,
  rememberDecorated,
  type ConfirmationRequirement,
} from './confirmation-requirement.js';

/** How a guarded route takes its proof. */
export interface RequireConfirmationOptions {
  /**
   * `guard` uses the proof before the route runs: a route that fails afterwards has cost the proof. `handler` reserves it for
   * this call, and hands it to the route as `@Confirmation()`, to be used in the route's own transaction. @default 'guard'
   */
  readonly useIn?: 'guard' | 'handler' | undefined;
  /**
   * Says that a transport of your own calls the method, through Nest's `ExternalContextCreator` with guards and interceptors.
   * Without it the boot refuses a method that neither HTTP, GraphQL, WebSockets nor microservices call. @default false
   */
  readonly isCustomRoute?: boolean | undefined;
  /** Where the confirmation's id is. @default the header `X-Confirmation-Id`; needed outside of HTTP */
  readonly confirmationId?: ((context: ExecutionContext) => unknown) | undefined;
  /**
   * Where the details are that the proof must have been made for. Guards run before pipes: what it reads of the body is
   * what was sent. What the purpose declares by a class is checked here as it was at the request.
   *
   * @default the body over HTTP where a class declares the purpose's details, what their function answers, or none
   */
  readonly details?: ((context: ExecutionContext) => unknown) | undefined;
  /** The only senders whose codes are a proof here, of those that the purpose allows. @default these */
  readonly senders?: readonly string[] | undefined;
}

/**
 * Lets a route run only with a confirmed confirmation for this purpose, for the caller (as the purpose's `subject`
 * resolver sees him) and for these details.
 *
 * Over HTTP it answers 403 `confirmation-required`, 409 `confirmation-used` and 400 `invalid-request`. In a resolver, a
 * gateway or a microservice it throws the errors of this package: put `TwoFactorExceptionFilter` there, so that the client
 * can read them, and say `confirmationId`.
 *
 * It runs behind all other guards of the method and its class, wherever it stands among them. On a class it asks for a proof
 * on every route of that class.
 *
 * With `useIn: 'handler'` one call runs the handler, however many come at once: the others are refused before it. The proof is
 * used for good once the handler has called `use` (in a transaction: once that has committed) or has succeeded. When the
 * handler, a pipe or an interceptor inside of this decorator's fails before that, the proof is usable again; after five to
 * nine such calls it no longer is, so that it is no key for guessing a password that the handler asks for. Call `use` before
 * the effect, or in its transaction: a handler that fails without it gets its proof released, whatever it has done.
 *
 * A call that ends in any other way leaves the proof used, and the person confirms once more: an interceptor outside of this
 * decorator's that answers from a cache, refuses, repeats the call or gives up waiting; a client that is gone while the answer
 * is awaited; a handler that never ends, or that fails after it began to answer (`@Res()`, a stream); a process that dies. An
 * effect that must happen once although its answer was lost carries the confirmation's id in a unique column.
 *
 * @example
 * ```ts
 * @Post('transfers')
 * @RequireConfirmation('transfer', { useIn: 'handler' }) // the body has the details that the purpose declares
 * transfer(@Body() body: TransferBody, @Confirmation() proof: ConfirmationProof) {
 *   return this.dataSource.transaction(async (manager) => {
 *     await proof.use({ manager });
 *     await manager.insert(Transfer, body);
 *   });
 * }
 * ```
 * @publicApi
 */
export function RequireConfirmation(
  purpose: string,
  options: RequireConfirmationOptions = {},
): MethodDecorator & ClassDecorator {
  if (!isName(purpose))
    throw new TypeError(`The purpose of @RequireConfirmation is not ${NAME_RULE}.`);
  const { useIn = 'guard', isCustomRoute = false, confirmationId, details, senders } = options;
  const requirement: ConfirmationRequirement = {
    purpose,
    useIn,
    isCustomRoute,
    confirmationId,
    details,
    senders,
  };
  return applyDecorators(
    refuseSecond,
    remember(requirement),
    SetMetadata(CONFIRMATION_REQUIREMENT, requirement),
    UseGuards(ConfirmationGuard),
    UseInterceptors(ConfirmationInterceptor),
  );
}

/** One would take the place of the other in silence. On a class and its method the method's counts, and is meant to. */
function refuseSecond(
  target: object,
  name?: string | symbol,
  descriptor?: PropertyDescriptor,
): void {
  const decorated = (descriptor?.value as object | undefined) ?? target;
  if (!Reflect.hasOwnMetadata(CONFIRMATION_REQUIREMENT, decorated)) return;
  const where = name === undefined ? 'a class' : String(name);
  throw new TypeError(
    `There are two @RequireConfirmation on ${where}. A call carries one proof: leave one.`,
  );
}

/** Keeps the method's name for the boot, and refuses what Nest never calls. */
function remember(requirement: ConfirmationRequirement) {
  return (target: object, name?: string | symbol): void => {
    if (name === undefined) return;
    if (typeof target === 'function' || typeof name === 'symbol') {
      throw new TypeError(
        `@RequireConfirmation is on ${String(name)}, which is static or named by a symbol, where Nest has no routes. ` +
          'Put it on a method of the instance.',
      );
    }
    rememberDecorated(target, name, requirement);
  };
}

import {
  applyDecorators,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  type ExecutionContext,
} from '@nestjs/common';

import type { ConfirmedBy } from '../errors/index.js';
import { isName, NAME_RULE, refuseUnknown } from '../options/index.js';
import { ConfirmationGuard } from './confirmation.guard.js';
import { ConfirmationInterceptor } from './confirmation.interceptor.js';
import { addRefusalFilter } from './guard-refusal.filter.js';
import {
  CONFIRMATION_REQUIREMENT,
  rememberDecorated,
  type ConfirmationRequirement,
} from './confirmation-requirement.js';

/** The options of `@RequireConfirmation`. */
export interface RequireConfirmationOptions {
  /**
   * Where the proof is used. `guard`: before the handler runs, so that a handler which fails has cost the proof. `handler`: the
   * proof is reserved for this call and injected by `@Confirmation()`, to be used in the handler's transaction. @default 'guard'
   */
  readonly useIn?: 'guard' | 'handler' | undefined;
  /**
   * Whether a transport of your own calls the method, through Nest's `ExternalContextCreator` with guards and interceptors.
   * Without it the boot fails for a method that neither HTTP, GraphQL, WebSockets nor microservices call. @default false
   */
  readonly isCustomRoute?: boolean | undefined;
  /** Returns the confirmation's id. Required outside of HTTP. @default the header `X-Confirmation-Id` */
  readonly confirmationId?: ((context: ExecutionContext) => unknown) | undefined;
  /**
   * Returns the details that the proof must have been made for. Guards run before pipes, so the body is not validated yet.
   * Details that the purpose declares by a class are validated here as they were at the request.
   *
   * @default over HTTP the body, if a class declares the purpose's details; the result of their function; or none
   */
  readonly details?: ((context: ExecutionContext) => unknown) | undefined;
  /** The names of the senders whose codes count here. @default the senders that the purpose allows */
  readonly senders?: readonly string[] | undefined;
  /** The methods one of which must have confirmed the proof, `hand` for the application itself. @default any */
  readonly confirmedBy?: readonly ConfirmedBy[] | undefined;
}

const KNOWN_OPTIONS = [
  'useIn',
  'isCustomRoute',
  'confirmationId',
  'details',
  'senders',
  'confirmedBy',
] satisfies (keyof RequireConfirmationOptions)[];

/**
 * Protects a route: it runs only with a confirmed confirmation for this purpose, for the caller (as returned by the purpose's
 * `subject` resolver) and for these details.
 *
 * Over HTTP a refusal is 403 `confirmation-required`, 409 `confirmation-used` or 400 `invalid-request`. In a resolver, a
 * gateway or a microservice it is answered in the form of that transport, as `TwoFactorExceptionFilter` answers it; the option
 * `confirmationId` is required there. Add the filter for the errors of the handler itself.
 *
 * The guard runs behind all other guards of the method and its class, whatever the order of the decorators. On a class the
 * decorator requires a proof for every route of that class.
 *
 * With `useIn: 'handler'`, one of several concurrent calls runs the handler; the others are refused. The proof is used when
 * the handler has called `use` (in a transaction: after its commit) or has succeeded. When the handler, a pipe or an inner
 * interceptor fails before that, the proof can be used again, until five calls more have failed than its confirmation had attempts
 * left: `maxAttempts` + 5 − the attempts of the confirmation. By default that is five to nine failed calls after a code, and ten
 * after what counts no attempt, such as a passkey. So it cannot serve to guess a password which the handler checks. Call `use` before the effect or in its transaction, because a handler that fails
 * before `use` gets its proof released although its effect may have happened.
 *
 * Every other end of a call leaves the proof used, and the person confirms again: an outer interceptor that responds from a
 * cache, refuses, repeats the call or times out; a client that disconnects before the response; a handler that never ends, or
 * that fails after it began to respond (`@Res()`, a stream); a process that crashes. For an effect that must happen once
 * although its response was lost, store the confirmation's id in a unique column.
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
  // A misspelt `senders` or `details` would ask for less than was meant.
  refuseUnknown('option of @RequireConfirmation:', options, KNOWN_OPTIONS);
  const { useIn = 'guard', isCustomRoute = false } = options;
  const { confirmationId, details, senders, confirmedBy } = options;
  const requirement: ConfirmationRequirement = {
    purpose,
    useIn,
    isCustomRoute,
    confirmationId,
    details,
    senders,
    confirmedBy,
  };
  return applyDecorators(
    refuseSecondDecorator,
    rememberRequirement(requirement),
    SetMetadata(CONFIRMATION_REQUIREMENT, requirement),
    UseGuards(ConfirmationGuard),
    UseInterceptors(ConfirmationInterceptor),
    installRefusalFilter,
  );
}

function installRefusalFilter(target: object): void {
  addRefusalFilter(typeof target === 'function' ? target : target.constructor);
}

/** Refuses two decorators on one target, because the second would replace the first. A method may override its class. */
function refuseSecondDecorator(
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

/** Records the method for the checks at boot, and refuses methods that Nest never calls. */
function rememberRequirement(requirement: ConfirmationRequirement) {
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

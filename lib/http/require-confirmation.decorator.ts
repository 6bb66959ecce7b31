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
import { REQUIREMENT, type ConfirmationRequirement } from './confirmation-requirement.js';

/** How a guarded route takes its proof. */
export interface RequireConfirmationOptions {
  /**
   * `guard` spends the proof before the route runs: safe, but a later refusal has burnt it. `handler` hands it to the
   * route as `@Confirmation()`, to be spent in the route's own transaction; what the route leaves unspent is spent before
   * the answer leaves. Throw when that transaction is rolled back, and answer without `@Res()`. @default 'guard'
   */
  readonly useIn?: 'guard' | 'handler' | undefined;
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
  const { useIn = 'guard', confirmationId, details, senders } = options;
  const requirement: ConfirmationRequirement = { purpose, useIn, confirmationId, details, senders };
  return applyDecorators(
    refuseSecond,
    SetMetadata(REQUIREMENT, requirement),
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
  if (!Reflect.hasOwnMetadata(REQUIREMENT, (descriptor?.value as object | undefined) ?? target))
    return;
  const where = name === undefined ? 'a class' : String(name);
  throw new TypeError(
    `There are two @RequireConfirmation on ${where}. A call carries one proof: leave one.`,
  );
}

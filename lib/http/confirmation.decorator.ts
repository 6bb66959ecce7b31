import {
  createParamDecorator,
  type ExecutionContext,
  type PipeTransform,
  type Type,
} from '@nestjs/common';

import { COPIES_REMEDY, TwoFactorConfigurationError } from '../errors/index.js';
import { proofOf, type ConfirmationProof } from './confirmation-proof.js';

/** Marks the factory of this decorator, so that the checks at boot recognise the parameter, in whichever copy of the package. */
const IS_CONFIRMATION = Symbol.for('nestjs-two-factor:confirmation-parameter');

/**
 * The proof as global pipes of the application receive it. It is wrapped in a function, because a global pipe that rebuilds objects
 * would hand the handler a copy that cannot use the proof.
 */
type WrappedProof = () => ConfirmationProof;

function proofOfCall(_: unknown, context: ExecutionContext): WrappedProof {
  const proof = proofOf(context);
  if (proof === undefined) {
    throw new TwoFactorConfigurationError(
      "There is no proof for @Confirmation(). Put @RequireConfirmation(purpose, { useIn: 'handler' }) on the route.",
    );
  }
  return () => proof;
}

Object.defineProperty(proofOfCall, IS_CONFIRMATION, { value: true });

/**
 * Whether a parameter's factory belongs to `@Confirmation()`.
 *
 * @throws TwoFactorConfigurationError for that of another copy of the package, which would find no proof of this one.
 */
export function isProofParameterFactory(factory: unknown): boolean {
  if (factory === proofOfCall) return true;
  if (typeof factory === 'function' && IS_CONFIRMATION in factory) {
    throw new TwoFactorConfigurationError(
      `A parameter has the @Confirmation() of another copy of nestjs-two-factor than TwoFactorModule. ${COPIES_REMEDY}`,
    );
  }
  return false;
}

/** A pipe of the parameter. Nest runs it behind the pipes of the application, the class and the method. */
const UNWRAP: PipeTransform = {
  transform(wrapped: unknown): unknown {
    if (typeof wrapped === 'function') return (wrapped as WrappedProof)();
    throw new TwoFactorConfigurationError(
      'A pipe of the application has replaced the proof of @Confirmation(), which it received as a function. Let it ' +
        "return values of metadata.type 'custom' as they are.",
    );
  },
};

const InjectProof = createParamDecorator(proofOfCall);

/**
 * Injects the `ConfirmationProof` of a route with `@RequireConfirmation(purpose, { useIn: 'handler' })`.
 *
 * @param pipes Pipes for the proof. Global pipes do not receive it.
 * @throws TwoFactorConfigurationError on a route without that decorator.
 *
 * @publicApi
 */
export function Confirmation(
  ...pipes: readonly (Type<PipeTransform> | PipeTransform)[]
): ParameterDecorator {
  return (target, name, index) => {
    if (name !== undefined) hideType(target, name, index);
    InjectProof(undefined, UNWRAP, ...pipes)(target, name, index);
  };
}

/** Hides the class of the parameter, because a global `ValidationPipe` would rebuild or refuse the value by it. */
function hideType(target: object, name: string | symbol, index: number): void {
  const types = Reflect.getOwnMetadata('design:paramtypes', target, name) as unknown[] | undefined;
  if (types === undefined) return;
  Reflect.defineMetadata('design:paramtypes', types.with(index, Object), target, name);
}

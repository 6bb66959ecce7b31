import type { ExecutionContext } from '@nestjs/common';

import type { ConfirmedBy } from '../errors/index.js';

/** The metadata of `@RequireConfirmation`. */
export interface ConfirmationRequirement {
  readonly purpose: string;
  readonly useIn: 'guard' | 'handler';
  readonly isCustomRoute: boolean;
  readonly confirmationId: ((context: ExecutionContext) => unknown) | undefined;
  readonly details: ((context: ExecutionContext) => unknown) | undefined;
  readonly senders: readonly string[] | undefined;
  readonly confirmedBy: readonly ConfirmedBy[] | undefined;
}

/** The metadata key of the requirement, on the method or the class. */
export const CONFIRMATION_REQUIREMENT = Symbol.for('nestjs-two-factor:requirement');

/**
 * The metadata key of the methods with `@RequireConfirmation`, on the prototype. This metadata stays when another decorator or a
 * subclass replaces the method and thereby loses its guard. From it the check at boot knows the lost requirement, and refuses to
 * start an application whose route would run without a proof.
 */
const DECORATED_METHODS = Symbol.for('nestjs-two-factor:decorated-methods');

/** A method with `@RequireConfirmation`: its requirement, and the prototype of the class that declares it. */
export interface DecoratedMethod {
  readonly requirement: ConfirmationRequirement;
  readonly prototype: object;
}

/** The methods with `@RequireConfirmation` by name. */
export type DecoratedMethods = ReadonlyMap<string, DecoratedMethod>;

export function rememberDecorated(
  prototype: object,
  name: string,
  requirement: ConfirmationRequirement,
): void {
  const known = new Map(ownDecorated(prototype));
  Reflect.defineMetadata(DECORATED_METHODS, known.set(name, { requirement, prototype }), prototype);
}

/** The decorated methods of this class and its base classes. The most derived one of a name counts. */
export function decoratedMethods(prototype: object): DecoratedMethods {
  const chain = prototypeChain(prototype).toReversed();
  return new Map(chain.flatMap((each) => [...ownDecorated(each)]));
}

/** The prototype in the chain of this one that defines the method. */
export function ownerOf(prototype: object, name: string): object | undefined {
  return prototypeChain(prototype).find((each) => Object.hasOwn(each, name));
}

/** The requirement of a class or a method. A subclass, and a function whose prototype is the method, inherit it. */
export function requirementOf(target: object): ConfirmationRequirement | undefined {
  return Reflect.getMetadata(CONFIRMATION_REQUIREMENT, target) as
    ConfirmationRequirement | undefined;
}

function ownDecorated(prototype: object): DecoratedMethods {
  return (
    (Reflect.getOwnMetadata(DECORATED_METHODS, prototype) as DecoratedMethods | undefined) ??
    new Map<string, DecoratedMethod>()
  );
}

function prototypeChain(prototype: object): object[] {
  const chain: object[] = [];
  let each: object | null = prototype;
  while (each !== null && each !== Object.prototype) {
    chain.push(each);
    each = Object.getPrototypeOf(each) as object | null;
  }
  return chain;
}

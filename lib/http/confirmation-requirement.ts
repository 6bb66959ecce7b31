import type { ExecutionContext } from '@nestjs/common';

/** What `@RequireConfirmation` leaves on a route. */
export interface ConfirmationRequirement {
  readonly purpose: string;
  readonly useIn: 'guard' | 'handler';
  readonly isCustomRoute: boolean;
  readonly confirmationId: ((context: ExecutionContext) => unknown) | undefined;
  readonly details: ((context: ExecutionContext) => unknown) | undefined;
  readonly senders: readonly string[] | undefined;
}

/** On the method itself, where the guard reads it, or on the class. */
export const CONFIRMATION_REQUIREMENT = Symbol.for('nestjs-two-factor:requirement');

/**
 * On the prototype, by the names of its decorated methods. It stays when another decorator, or a subclass, puts another
 * function in the method's place, so that the boot can find what was lost.
 */
const DECORATED_METHODS = Symbol.for('nestjs-two-factor:decorated-methods');

/** A decorated method: what its decorator asked for, and the prototype of the class that has the decorator. */
export interface DecoratedMethod {
  readonly requirement: ConfirmationRequirement;
  readonly prototype: object;
}

/** By name. */
export type DecoratedMethods = ReadonlyMap<string, DecoratedMethod>;

export function rememberDecorated(
  prototype: object,
  name: string,
  requirement: ConfirmationRequirement,
): void {
  const known = new Map(ownDecorated(prototype));
  Reflect.defineMetadata(DECORATED_METHODS, known.set(name, { requirement, prototype }), prototype);
}

/** Those of this class and of the classes above it; the lowest one of a name counts. */
export function decoratedMethods(prototype: object): DecoratedMethods {
  const chain = prototypeChain(prototype).toReversed();
  return new Map(chain.flatMap((each) => [...ownDecorated(each)]));
}

/** The prototype, among this one and those above it, that has the function which a call of the method runs. */
export function ownerOf(prototype: object, name: string): object | undefined {
  return prototypeChain(prototype).find((each) => Object.hasOwn(each, name));
}

/** Of a class or a method; a subclass, and a function that inherits from the method, have it too. */
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

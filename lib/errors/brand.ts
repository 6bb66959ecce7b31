/**
 * The key of the class name on the prototype of each branded class, so that two copies of this package recognise each other's
 * instances. On the prototype, because logs would print it as a property of each instance.
 */
const BRAND = Symbol.for('nestjs-two-factor:class');

type Class = abstract new (...args: never[]) => object;

/**
 * Lets `instanceof` recognise the instances of this class in every copy of the package in the process: a workspace or `npm link`
 * may load two, and an application that catches the error of one copy by the class of the other would not recognise it.
 *
 * A subclass without a brand of its own, such as one of an application, is recognised by its identity alone.
 *
 * @param name The name of the class as it is exported. It is not read from the class, because minifiers give equal names to
 * different classes.
 */
export function brand(type: Class, name: string): void {
  Object.defineProperty(type.prototype, BRAND, { value: name });
  Object.defineProperty(type, Symbol.hasInstance, { value: isInstance, configurable: true });
}

/** `this` is the class on the right of `instanceof`, which may inherit this function from a class with a brand. */
function isInstance(this: Class, value: unknown): boolean {
  if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
  const name = brandOf(this.prototype);
  if (name === undefined || typeof value !== 'object' || value === null) return false;
  let prototype: unknown = Object.getPrototypeOf(value);
  while (typeof prototype === 'object' && prototype !== null) {
    if (brandOf(prototype) === name) return true;
    prototype = Object.getPrototypeOf(prototype);
  }
  return false;
}

function brandOf(prototype: object): unknown {
  return Object.getOwnPropertyDescriptor(prototype, BRAND)?.value;
}

/**
 * One copy of this package in the process, as the others see it. Copies may be of different versions, so that a member is
 * never renamed.
 */
export interface PackageCopy {
  readonly module: object;
  /** The classes by which an application, or a guard, injects the services. */
  readonly services: readonly (abstract new (...args: never[]) => object)[];
}

/** The key of the list of all copies on `globalThis`. */
const COPIES = Symbol.for('nestjs-two-factor:copies');

/** What to do about two copies. */
export const COPIES_REMEDY =
  'Run "npm ls nestjs-two-factor" to find the copies, and keep one: by "npm dedupe", by listing the package under ' +
  'peerDependencies in the libraries of a workspace, or by removing it from the node_modules of a package that is linked.';

function allCopies(): PackageCopy[] {
  const global = globalThis as { [COPIES]?: PackageCopy[] };
  return (global[COPIES] ??= []);
}

let own: PackageCopy | undefined;

/** Makes this copy known to the others. Called once, when the copy is loaded. */
export function registerCopy(copy: PackageCopy): void {
  own = copy;
  allCopies().push(copy);
}

/** The other copies that are loaded by now. */
export function otherCopies(): readonly PackageCopy[] {
  return allCopies().filter((copy) => copy !== own);
}

/**
 * The end of an error's sentence about an object or a decorator that is not of this copy; empty while the process has one copy,
 * which then is not the reason.
 */
export function copiesHint(): string {
  return otherCopies().length === 0
    ? ''
    : ` The reason may be that two copies of nestjs-two-factor are loaded. ${COPIES_REMEDY}`;
}

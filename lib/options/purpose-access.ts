import type { ResolvedOptions } from './resolved-options.interface.js';
import type { PurposeDefinition } from './two-factor-options.interface.js';

/** Purposes by who may touch their confirmations over HTTP: whoever has the id, or their subject alone. */
export interface PurposeAccess {
  readonly open: readonly string[];
  readonly bound: readonly string[];
}

const OPEN: PurposeDefinition = Object.freeze({ open: true });

/**
 * The purpose of that name over HTTP and for the guard; empty for the one without a name. That one exists where it is
 * declared, and where no purpose is: a stranger could otherwise have codes sent, and count failures, past every purpose
 * that the application declares.
 */
export function purposeNamed(
  { purposes }: Pick<ResolvedOptions, 'purposes'>,
  name: string,
): PurposeDefinition | undefined {
  return purposes.size === 0 && name === '' ? OPEN : purposes.get(name);
}

export function purposeAccess({ purposes }: Pick<ResolvedOptions, 'purposes'>): PurposeAccess {
  if (purposes.size === 0) return { open: [''], bound: [] };
  const names = [...purposes.keys()];
  const isBound = (name: string): boolean => purposes.get(name)?.subject !== undefined;
  return { open: names.filter((name) => !isBound(name)), bound: names.filter(isBound) };
}

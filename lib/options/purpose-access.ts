import type { ResolvedOptions } from './resolved-options.interface.js';
import type { PurposeDefinition } from './two-factor-options.interface.js';

/** The declared purposes by the access to their confirmations over HTTP. */
export interface PurposeAccess {
  /** Purposes whose confirmations every caller with the id may access. */
  readonly anyone: readonly string[];
  /** Purposes whose confirmations only their subject may access. */
  readonly subjectOnly: readonly string[];
}

const OPEN_PURPOSE: PurposeDefinition = Object.freeze({ open: true });

/**
 * The purpose of that name over HTTP and for the guard; the empty string is the purpose without a name. That purpose exists only
 * when it is declared, or when no purpose is. Otherwise a stranger could have codes sent outside of all declared purposes.
 */
export function purposeNamed(
  { purposes }: Pick<ResolvedOptions, 'purposes'>,
  name: string,
): PurposeDefinition | undefined {
  return purposes.size === 0 && name === '' ? OPEN_PURPOSE : purposes.get(name);
}

export function purposeAccess({ purposes }: Pick<ResolvedOptions, 'purposes'>): PurposeAccess {
  if (purposes.size === 0) return { anyone: [''], subjectOnly: [] };
  const names = [...purposes.keys()];
  const isBound = (name: string): boolean => purposes.get(name)?.subject !== undefined;
  return {
    anyone: names.filter((name) => !isBound(name)),
    subjectOnly: names.filter(isBound),
  };
}

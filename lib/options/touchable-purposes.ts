import type { ResolvedOptions } from './resolved-options.interface.js';

/** Purposes by who may touch their confirmations over HTTP: whoever has the id, or their subject alone. */
export interface TouchablePurposes {
  readonly open: readonly string[];
  readonly bound: readonly string[];
}

export function touchablePurposes({
  purposes,
}: Pick<ResolvedOptions, 'purposes'>): TouchablePurposes {
  const names = [...purposes.keys()];
  const isBound = (name: string): boolean => purposes.get(name)?.subject !== undefined;
  return {
    // The nameless one is always there.
    open: ['', ...names.filter((name) => !isBound(name))],
    bound: names.filter(isBound),
  };
}

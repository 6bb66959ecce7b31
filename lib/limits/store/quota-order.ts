/**
 * The one order in which all statements lock quotas. Calls that lock the same quotas in two orders would deadlock.
 *
 * @example quotas.toSorted(byKey)
 */
export function byKey(one: { readonly key: string }, other: { readonly key: string }): number {
  return one.key < other.key ? -1 : 1;
}

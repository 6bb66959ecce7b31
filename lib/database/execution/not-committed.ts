const notCommittedErrors = new WeakSet<object>();

/** Notes that the call which fails with this error has certainly committed nothing. */
export function noteNotCommitted(error: unknown): void {
  if (typeof error === 'object' && error !== null) notCommittedErrors.add(error);
}

/**
 * Whether the call that failed with this error has certainly committed nothing: nothing was sent, or the server refused it, or its
 * transaction ended before COMMIT. False where the answer was lost, so that the outcome is unknown.
 */
export function isNotCommitted(error: unknown): boolean {
  return typeof error === 'object' && error !== null && notCommittedErrors.has(error);
}

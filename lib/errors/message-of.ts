/** The text of a caught value for a log line. A thrown text is not logged: it may be anything, also a code. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

/**
 * `messageOf`, followed by the message of the database, a limit store or a provider, which is the `cause` of this package's
 * errors. Without it, a log would not show the reason of an outage.
 */
export function messageAndCauseOf(error: unknown): string {
  const { cause } = (error ?? {}) as { readonly cause?: unknown };
  const reason = cause instanceof Error && cause.message !== '' ? ` Cause: ${cause.message}` : '';
  return messageOf(error) + reason;
}

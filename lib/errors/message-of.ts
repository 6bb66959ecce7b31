/** The text of a caught value for a log line. A thrown text is not logged: it may be anything, also a code. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

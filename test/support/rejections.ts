/** Collects every unhandled rejection from now until `stop` returns them. */
export function watchRejections(): { stop: () => readonly unknown[] } {
  const seen: unknown[] = [];
  const note = (reason: unknown): void => {
    seen.push(reason);
  };
  const events = ['unhandledRejection', 'uncaughtException'] as const;
  for (const event of events) process.on(event, note);
  return {
    stop: () => {
      for (const event of events) process.off(event, note);
      return seen;
    },
  };
}

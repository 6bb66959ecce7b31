import { vi } from 'vitest';

/** How long queued calls wait at most for a batch in flight, before they are sent beside it. */
const PATIENCE_MS = 20;

/**
 * Runs work whose queued calls wait until the batch in flight is answered, however long a busy machine takes. Sent beside it, they would
 * need more statements, above all on MySQL: a batch passes over the rows that another one has locked, and each of these calls is repeated alone.
 */
export async function withEndlessPatience<T>(work: () => Promise<T>): Promise<T> {
  const { setTimeout: start } = globalThis;
  const spy = vi.spyOn(globalThis, 'setTimeout');
  spy.mockImplementation((run: () => void, ms = 0) => start(run, ms <= PATIENCE_MS ? 60_000 : ms));
  try {
    return await work();
  } finally {
    spy.mockRestore();
  }
}

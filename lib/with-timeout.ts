/**
 * Runs `work` and rejects with an `Error` when it takes longer than `ms` milliseconds.
 *
 * The signal that `work` receives is aborted with the same error. Work that ignores the signal continues in the background,
 * and its late result or rejection is dropped.
 */
export async function withTimeout<T>(
  ms: number,
  work: (signal: AbortSignal) => T | PromiseLike<T>,
): Promise<T> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await untilAborted(abort.signal, () => work(abort.signal));
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `work` and rejects with the reason of the signal when that is aborted before or meanwhile. */
export async function untilAborted<T>(
  signal: AbortSignal,
  work: () => T | PromiseLike<T>,
): Promise<T> {
  signal.throwIfAborted();
  let reject: (() => void) | undefined;
  const aborted = new Promise<never>((_, rejectAborted) => {
    // Added before `work` adds a listener of its own, so that the caller receives the reason of the abort and not the error
    // that the work makes of it.
    reject = () => rejectAborted(signal.reason as Error);
    signal.addEventListener('abort', reject);
  });
  try {
    return await Promise.race([Promise.resolve().then(work), aborted]);
  } finally {
    if (reject) signal.removeEventListener('abort', reject);
  }
}

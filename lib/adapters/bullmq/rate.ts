import { setTimeout as sleep } from 'node:timers/promises';

import type { CheckedRate } from './checked-options.js';

/** A pause between two messages that is shorter than this costs BullMQ more than it sends. */
const SHORTEST_PAUSE_MS = 50;
/** How many parts a span is divided into. The messages of one part begin together. */
const PARTS_PER_SPAN = 4;

/**
 * The options of BullMQ's limiter. It counts in windows that begin with their first job, so that a limiter of `max` jobs in a span
 * would let `2 * max` begin within one span that lies across two windows. So a message begins in each part of the span, or, where
 * that is too often, a fifth of `max` in each quarter: a span touches at most five windows.
 */
export function limiterOf({ max, perSeconds }: CheckedRate): {
  readonly max: number;
  readonly duration: number;
} {
  const spanMs = perSeconds * 1_000;
  if (spanMs / max >= SHORTEST_PAUSE_MS) return { max: 1, duration: Math.ceil(spanMs / max) };
  return { max: Math.floor(max / (PARTS_PER_SPAN + 1)), duration: spanMs / PARTS_PER_SPAN };
}

/** Spaces the messages of this process evenly, while no other process can be asked. */
export class Pace {
  #next = 0;

  constructor(private readonly pauseMs: number) {}

  /** Waits for the next free moment. @returns false when the signal is aborted before. */
  async next(signal: AbortSignal): Promise<boolean> {
    // Nothing is reserved: a caller that gives up must not cost the others their turn.
    for (;;) {
      if (signal.aborted) return false;
      const now = performance.now();
      if (now >= this.#next) {
        this.#next = now + this.pauseMs;
        return true;
      }
      await sleep(this.#next - now, undefined, { signal }).catch(() => undefined);
    }
  }
}

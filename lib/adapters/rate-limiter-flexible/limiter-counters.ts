import type { RateLimiterRes } from 'rate-limiter-flexible';

import { withTimeout } from '../../with-timeout.js';
import type { FlexibleLimiter } from './checked-options.js';

/** The value of a counter of rate-limiter-flexible. */
export interface Counter {
  readonly points: number;
  /** 0 for a counter that does not end. */
  readonly endsInMs: number;
}

/** The duration of a counter that does not end. */
export const FOREVER_SECONDS = 0;

const UNUSED_COUNTER: Counter = { points: 0, endsInMs: 0 };

/** The counters of a limiter by name. Each call rejects when the limiter does not answer within `timeoutMs`. */
export class LimiterCounters {
  constructor(
    private readonly limiter: FlexibleLimiter,
    private readonly timeoutMs: number,
  ) {}

  async read(name: string): Promise<Counter> {
    return toCounter(await this.#call(() => this.limiter.get(name)));
  }

  /** Adds units, one by default. The first unit starts the duration after which the counter ends. */
  async increment(name: string, seconds: number, units = 1): Promise<Counter> {
    const options = { customDuration: seconds };
    return toCounter(await this.#call(() => this.limiter.penalty(name, units, options)));
  }

  /** Subtracts one unit. Returns false when the counter was 0; it is then unchanged. */
  async decrement(name: string, seconds: number): Promise<boolean> {
    const options = { customDuration: seconds };
    const { consumedPoints } = await this.#call(() => this.limiter.reward(name, 1, options));
    if (consumedPoints >= 0) return true;
    await this.increment(name, seconds);
    return false;
  }

  async write(name: string, points: number, seconds: number): Promise<void> {
    await this.#call(() => this.limiter.set(name, points, seconds));
  }

  async delete(name: string): Promise<void> {
    await this.#call(() => this.limiter.delete(name));
  }

  #call<T>(command: () => Promise<T>): Promise<T> {
    return withTimeout(this.timeoutMs, command);
  }
}

function toCounter(answer: RateLimiterRes | null): Counter {
  if (answer === null) return UNUSED_COUNTER;
  const { consumedPoints, msBeforeNext } = answer;
  // Points are negative while a concurrent `decrement` corrects itself. A counter that does not end has -1 milliseconds.
  return { points: Math.max(consumedPoints, 0), endsInMs: Math.max(msBeforeNext, 0) };
}

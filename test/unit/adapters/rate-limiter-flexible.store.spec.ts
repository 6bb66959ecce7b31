// What the contract cannot meet by chance: another process sends a command between two commands of one call.
import {
  RateLimiterCluster,
  RateLimiterMemory,
  RLWrapperBlackAndWhite,
  RLWrapperTimeouts,
} from 'rate-limiter-flexible';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  rateLimiterFlexibleStore,
  type FlexibleLimiter,
} from '../../../lib/adapters/rate-limiter-flexible/index.js';
import { TwoFactorConfigurationError, type LimitStore } from '../../../lib/index.js';
import { failureCharge, newHolder, windowCharge } from '../../support/quotas.js';

type Command = keyof FlexibleLimiter;

/** Runs something once before the next command of this kind on a key that ends so. */
interface Interruption {
  readonly command: Command;
  readonly ending: string;
  readonly work: () => Promise<unknown>;
}

function interruptible(): {
  limiter: FlexibleLimiter;
  memory: RateLimiterMemory;
  interrupt: (command: Command, ending: string, work: Interruption['work']) => void;
} {
  const memory = new RateLimiterMemory({ points: 1, duration: 1 });
  const pending: Interruption[] = [];
  const limiter = new Proxy(memory, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return async (key: string, ...rest: unknown[]): Promise<unknown> => {
        const index = pending.findIndex(
          ({ command, ending }) => command === property && key.endsWith(ending),
        );
        if (index >= 0) await pending.splice(index, 1)[0]!.work();
        return member.call(target, key, ...rest) as unknown;
      };
    },
  });
  return {
    limiter,
    memory,
    interrupt: (command, ending, work) => pending.push({ command, ending, work }),
  };
}

describe('A limit store on rate-limiter-flexible', () => {
  let store: LimitStore;
  let memory: RateLimiterMemory;
  let interrupt: ReturnType<typeof interruptible>['interrupt'];

  afterEach(() => {
    vi.unstubAllEnvs();
    vi.useRealTimers();
  });

  beforeEach(() => {
    const { limiter, ...rest } = interruptible();
    ({ memory, interrupt } = rest);
    store = rateLimiterFlexibleStore({ limiter });
  });

  const charge = async (budget: ReturnType<typeof failureCharge>) =>
    store.consume([budget], newHolder());
  const amountOf = async (key: string): Promise<number> =>
    (await store.read([key]))[0]?.amount ?? 0;
  const secondsLeft = async (name: string): Promise<number> =>
    Math.ceil(((await memory.get(name))?.msBeforeNext ?? 0) / 10_000) * 10;

  it('locks for as long as the charged failure requires, not the failure that was read before', async () => {
    const budget = failureCharge();
    for (let time = 0; time < 3; time += 1) await charge(budget);
    interrupt('penalty', ':lock', async () => {
      await charge(budget);
      await memory.delete(`${budget.key}:lock`);
    });

    const { consumed } = await charge(budget);

    expect(consumed).toMatchObject([{ amount: 5 }]);
    expect(await secondsLeft(`${budget.key}:lock`)).toBe(200);
  });

  it('refuses a call when another one charges the last failure meanwhile', async () => {
    const budget = failureCharge({ max: 4 });
    for (let time = 0; time < 3; time += 1) await charge(budget);
    interrupt('penalty', ':lock', async () => {
      await charge(budget);
      await memory.delete(`${budget.key}:lock`);
    });

    expect(await charge(budget)).toMatchObject({ exhausted: [{ amount: 4 }], consumed: [] });
    expect(await amountOf(budget.key)).toBe(4);
  });

  it('corrects a refund to a window that has ended meanwhile, and leaves no window without an end', async () => {
    const budget = windowCharge(2);
    await charge(budget);
    interrupt('reward', ':window', () => memory.delete(`${budget.key}:window`));

    await store.refund([budget]);

    expect(await amountOf(budget.key)).toBe(0);
    expect(await secondsLeft(`${budget.key}:window`)).toBe(1_000);
  });

  it('gives nothing back to a window that is about to end', async () => {
    // It must not have ended when the test looks at it.
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    const budget = windowCharge(2, 1);
    await charge(budget);
    await memory.set(`${budget.key}:window`, 1, 0.4);

    await store.refund([budget]);

    expect((await memory.get(`${budget.key}:window`))?.consumedPoints).toBe(1);
  });

  it('never frees the slot of a new owner in place of the owner before', async () => {
    const place = windowCharge(1);
    const [before, after] = [newHolder(), newHolder()];
    // Both ends are read at one time.
    vi.useFakeTimers({ toFake: ['Date'] });
    await store.consume([place], before);
    const holderSeconds = await memory.get(`${place.key}:owner`);
    const placeSeconds = await memory.get(`${place.key}:slot`);
    expect(holderSeconds!.msBeforeNext).toBeLessThan(placeSeconds!.msBeforeNext - 500);
    vi.useRealTimers();

    // Both have ended.
    await memory.delete(`${place.key}:owner`);
    await memory.delete(`${place.key}:slot`);
    interrupt('set', ':owner', () => store.release([place.key], before));
    await store.consume([place], after);

    expect((await store.consume([place], newHolder())).exhausted).toHaveLength(1);
  });

  it('keeps a slot taken until each key of its owner is deleted', async () => {
    const place = windowCharge(1);
    const owner = newHolder();
    await store.consume([place], owner);
    const meanwhile: number[] = [];
    for (const ending of [':owner', ':slot']) {
      interrupt('delete', ending, async () => {
        meanwhile.push((await store.consume([place], newHolder())).exhausted.length);
      });
    }

    await store.release([place.key], owner);

    expect(meanwhile).toEqual([1, 1]);
    expect((await store.consume([place], owner)).exhausted).toEqual([]);
  });

  it('locks for a time also while another process corrects a counter', async () => {
    const budget = failureCharge();
    for (let time = 0; time < 3; time += 1) await charge(budget);
    await memory.set(`${budget.key}:locking`, -1, 0);

    await charge(budget);

    expect(await secondsLeft(`${budget.key}:lock`)).toBe(100);
  });

  it('stores no owner of a slot that would end before its owner does', async () => {
    const place = windowCharge(1, 1);

    await store.consume([place], newHolder());

    expect(await memory.get(`${place.key}:owner`)).toBeNull();
  });

  it('gives back what it charged before the store failed', async () => {
    const [one, two] = [windowCharge(3), windowCharge(3)].toSorted((a, b) =>
      a.key < b.key ? -1 : 1,
    ) as [ReturnType<typeof windowCharge>, ReturnType<typeof windowCharge>];
    interrupt('penalty', `${two.key}:window`, () => Promise.reject(new Error('gone')));

    await expect(store.consume([one, two], newHolder())).rejects.toThrow('gone');

    expect([await amountOf(one.key), await amountOf(two.key)]).toEqual([0, 0]);
  });

  it('rejects all that is asked of a limiter that does not answer', async () => {
    const silent = (): Promise<never> => new Promise(() => undefined);
    const limiter = {
      delete: silent,
      get: silent,
      penalty: silent,
      reward: silent,
      set: silent,
    } satisfies FlexibleLimiter;
    const deaf = rateLimiterFlexibleStore({ limiter, timeoutMs: 10 });
    const budget = windowCharge(1);

    await expect(deaf.consume([budget], newHolder())).rejects.toThrow('no answer within 10 ms');
    await expect(deaf.refund([failureCharge()])).rejects.toThrow('no answer');
    await expect(deaf.release([budget.key], newHolder())).rejects.toThrow('no answer');
    await expect(deaf.read([budget.key])).rejects.toThrow('no answer');
  });

  it('is made of an atomic limiter without insurance, and of nothing else', () => {
    const insuranceLimiter = new RateLimiterMemory({ points: 1, duration: 1 });
    class RateLimiterRedisNonAtomic extends RateLimiterMemory {}
    const nonAtomic = new RateLimiterRedisNonAtomic({ points: 1, duration: 1 });
    const insured = Object.assign(new RateLimiterMemory({ points: 1, duration: 1 }), {
      insuranceLimiter,
    });
    for (const [options, words] of [
      [undefined, 'needs a limiter'],
      [{}, 'needs a limiter'],
      [{ limiter: {} }, 'needs a limiter'],
      [{ limiter: insured }, 'insuranceLimiter'],
      [{ limiter: nonAtomic }, 'NonAtomic'],
      [{ limiter: memory, timeoutMs: 9 }, 'from 10 to 60000'],
      [{ limiter: memory, timeoutMs: 60_001 }, 'from 10 to 60000'],
      [{ limiter: memory, timeoutMs: 0.5 }, 'from 10 to 60000'],
      [{ limiter: memory, timeoutMS: 500 }, 'no option of rateLimiterFlexibleStore: timeoutMS'],
    ] as const) {
      const make = (): LimitStore => rateLimiterFlexibleStore(options as never);
      expect(make).toThrow(TwoFactorConfigurationError);
      expect(make).toThrow(words);
    }
  });

  it.each([undefined, 'production', 'staging', ''])(
    'is not made of counts in memory when NODE_ENV is %s, unless there is one process',
    (environment) => {
      vi.stubEnv('NODE_ENV', environment);
      class OurLimiter extends RateLimiterMemory {}
      const ours = new OurLimiter({ points: 1, duration: 1 });
      const wrapped = new RLWrapperTimeouts({ limiter: ours, timeoutMs: 100 });
      const listed = new RLWrapperBlackAndWhite({ limiter: memory });
      const cluster = Object.create(RateLimiterCluster.prototype, {
        penalty: { value: () => undefined },
        set: { value: () => undefined },
      }) as FlexibleLimiter;
      for (const limiter of [memory, ours, wrapped, listed, cluster]) {
        const make = (singleProcess?: boolean) => (): LimitStore =>
          rateLimiterFlexibleStore({ limiter, singleProcess });
        for (const refused of [make(), make(false), make('yes' as never)]) {
          expect(refused).toThrow(TwoFactorConfigurationError);
          expect(refused).toThrow(
            /^RateLimiter(Memory|Cluster\w*) counts in memory: .* or set singleProcess: true where there is never more/,
          );
        }
        expect(make(true)).not.toThrow();
      }
    },
  );

  it.each(['development', 'test'])('is made of counts in memory when NODE_ENV is %s', (name) => {
    vi.stubEnv('NODE_ENV', name);
    expect(() => rateLimiterFlexibleStore({ limiter: memory })).not.toThrow();
  });

  it('refuses a wrapper around a limiter that it refuses', () => {
    class RateLimiterRedisNonAtomic extends RateLimiterMemory {}
    const nonAtomic = new RateLimiterRedisNonAtomic({ points: 1, duration: 1 });
    const insured = Object.assign(new RateLimiterMemory({ points: 1, duration: 1 }), {
      insuranceLimiter: memory,
    });
    for (const [limiter, words] of [
      [new RLWrapperTimeouts({ limiter: nonAtomic, timeoutMs: 100 }), 'NonAtomic'],
      [new RLWrapperBlackAndWhite({ limiter: insured }), 'insuranceLimiter'],
      [new RLWrapperTimeouts({ limiter: memory, insuranceLimiter: memory }), 'insuranceLimiter'],
    ] as const) {
      const make = (): LimitStore => rateLimiterFlexibleStore({ limiter });
      expect(make).toThrow(TwoFactorConfigurationError);
      expect(make).toThrow(words);
    }
  });
});

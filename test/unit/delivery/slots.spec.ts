import { describe, expect, it } from 'vitest';

import { Slots } from '../../../lib/delivery/queue/slots.js';

describe('Slots', () => {
  it('let as many calls run concurrently as there are slots, and the others in their order', async () => {
    const slots = new Slots(2);
    const order: number[] = [];
    const run = async (index: number): Promise<void> => {
      await slots.acquire('open');
      order.push(index);
    };
    const all = [1, 2, 3, 4].map(run);
    await Promise.all(all.slice(0, 2));
    expect(order).toEqual([1, 2]);

    slots.release('open');
    slots.release('open');
    await Promise.all(all);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('refuse what waits and what comes, once they are closed', async () => {
    const slots = new Slots(1);
    expect(await slots.acquire('open')).toBe(true);
    const waiting = slots.acquire('open');
    slots.close();

    expect(await waiting).toBe(false);
    slots.release('open');
    expect(await slots.acquire('open')).toBe(false);
  });

  it('let one open call run beside the bound ones, so that slow bound ones do not hold up all open ones', async () => {
    const slots = new Slots(2);
    for (const _ of [1, 2]) expect(await slots.acquire('bound')).toBe(true);
    expect(await slots.acquire('open')).toBe(true);
    const more = [slots.acquire('bound'), slots.acquire('open')] as const;
    expect([slots.waiting('bound'), slots.waiting('open')]).toEqual([1, 1]);

    slots.release('open');
    expect(await more[1]).toBe(true);
    expect(slots.waiting('bound')).toBe(1);
    slots.release('bound');
    slots.release('bound');
    expect(await more[0]).toBe(true);
  });

  it('refuse a call when its waiting time is over, and forget it', async () => {
    const slots = new Slots(1);
    expect(await slots.run('open', (isFree) => Promise.resolve(isFree))).toBe(true);
    expect(await slots.acquire('open')).toBe(true);
    expect(await slots.acquire('open', 1)).toBe(false);
    expect(slots.waiting('open')).toBe(0);
    const waiting = slots.acquire('open', 60_000);

    slots.release('open');
    expect(await waiting).toBe(true);
  });

  it('let one bound call run beside the open ones, and the bound ones before the open ones that wait', async () => {
    const slots = new Slots(2);
    const begun: string[] = [];
    const run = async (name: string, limitClass: 'bound' | 'open'): Promise<void> => {
      if (await slots.acquire(limitClass)) begun.push(name);
    };
    const open = ['open 1', 'open 2', 'open 3'].map((name) => run(name, 'open'));
    const bound = ['bound 1', 'bound 2'].map((name) => run(name, 'bound'));
    await Promise.all([...open.slice(0, 2), bound[0]]);
    expect(begun).toEqual(['open 1', 'open 2', 'bound 1']);
    expect([slots.waiting('open'), slots.waiting('bound')]).toEqual([1, 1]);

    // Three were running, so that the end of an open one makes no place for another open one.
    slots.release('open');
    expect([slots.waiting('open'), slots.waiting('bound')]).toEqual([1, 1]);
    slots.release('bound');
    await bound[1];
    slots.release('open');
    await open[2];
    expect(begun.slice(3)).toEqual(['bound 2', 'open 3']);

    // Only bound calls: no more than there are slots.
    for (const limitClass of ['bound', 'open'] as const) slots.release(limitClass);
    const all = [1, 2, 3].map((index) => run(`bound ${index}`, 'bound'));
    await Promise.all(all.slice(0, 2));
    expect(slots.waiting('bound')).toBe(1);
    slots.close();
    await Promise.all(all);
  });
});

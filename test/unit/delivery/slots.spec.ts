import { describe, expect, it } from 'vitest';

import { Slots } from '../../../lib/delivery/queue/slots.js';

describe('Slots', () => {
  it('let as many calls run concurrently as there are slots, and the others in their order', async () => {
    const slots = new Slots(2);
    const order: number[] = [];
    const run = async (index: number): Promise<void> => {
      await slots.acquire();
      order.push(index);
    };
    const all = [1, 2, 3, 4].map(run);
    await Promise.all(all.slice(0, 2));
    expect(order).toEqual([1, 2]);

    slots.release();
    slots.release();
    await Promise.all(all);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('refuse what waits and what comes, once they are closed', async () => {
    const slots = new Slots(1);
    expect(await slots.acquire()).toBe(true);
    const waiting = slots.acquire();
    slots.close();

    expect(await waiting).toBe(false);
    slots.release();
    expect(await slots.acquire()).toBe(false);
  });
});

/** What waits disclose: none of a counter that strangers share, or that is about a person whom a stranger names, is finer than five minutes. */
import { describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import type { Answer } from '../support/http.js';
import {
  BOUND,
  FORGOTTEN,
  HOUR,
  idOf,
  OPEN,
  retryAfter,
  startWorld,
  type Caller,
  type World,
  type WorldInput,
} from './world.js';

const COARSE_SECONDS = 300;
const START = new Date('2026-06-01T10:00:00Z');

describe('The wait that a stranger reads', () => {
  let world: World;
  const start = async (limits: WorldInput['limits'] = {}): Promise<void> => {
    world = await startWorld({ engine: 'sqljs', limits, start: START });
  };
  /** Asks until it is refused. */
  const refused = async (ask: (index: number) => Promise<Answer>): Promise<Answer> => {
    for (let index = 0; index < 100; index += 1) {
      const answer = await ask(index);
      if (answer.status !== 200) return answer;
    }
    throw new Error('No request was refused.');
  };
  const request = (token: string, from: string): Promise<Answer> =>
    world.call('request-confirmation', { purpose: OPEN, token }, { from });

  const counters: readonly {
    readonly limit: string;
    readonly limits?: WorldInput['limits'];
    readonly ask: (index: number) => Promise<Answer>;
  }[] = [
    { limit: 'sends-per-token', ask: (index) => request('ann@example.com', `20.${index}.0.1`) },
    { limit: 'sends-per-requester', ask: (index) => request(`a${index}@example.com`, '20.0.0.1') },
    {
      limit: 'sends-per-network',
      ask: (index) => request(`a${index}@example.com`, `20.0.0.${index}`),
    },
    { limit: 'sends-per-network', ask: (index) => request(`a${index}@example.com`, '') },
    {
      limit: 'sends-in-total',
      limits: { sendsInTotal: { open: [{ max: 7, perSeconds: HOUR }] } },
      ask: (index) => request(`a${index}@example.com`, `20.${index}.0.1`),
    },
    {
      limit: 'sends-per-sender',
      limits: { sendsPerSender: [{ max: 7, perSeconds: HOUR }] },
      ask: (index) => request(`a${index}@example.com`, `20.${index}.0.1`),
    },
  ];

  it.each(counters)(
    'is a multiple of five minutes when $limit refuses',
    async ({ limits, ask }) => {
      await start(limits);
      try {
        // The window began with a request of another stranger, at a moment that the wait must not tell.
        await refused(ask);
        world.clock.advance({ seconds: 137 });
        const answer = await ask(99);

        expect([429, 503]).toContain(answer.status);
        const wait = retryAfter(answer)!;
        expect(wait).toBeGreaterThan(0);
        expect(wait % COARSE_SECONDS).toBe(0);
        // It is no promise that does not hold: after that time the request is answered.
        world.clock.advance({ seconds: wait });
        expect((await ask(99)).status).toBe(200);
      } finally {
        await world.close();
      }
    },
  );

  it('is a multiple of five minutes when the messages to a person whose name strangers claim are used up', async () => {
    await start();
    try {
      for (let sent = 0; sent < 5; sent += 1) {
        const another = { from: `20.0.1.${sent}`, as: 'ann' };
        const sentTo = await world.call('request-confirmation', { purpose: FORGOTTEN }, another);
        expect(sentTo.status).toBe(200);
      }
      world.clock.advance({ seconds: 137 });
      const claimed = { from: '20.0.0.1', as: 'ann' };
      const answer = await world.call('request-confirmation', { purpose: FORGOTTEN }, claimed);

      expect([answer.status, retryAfter(answer)]).toEqual([429, 2 * COARSE_SECONDS]);
    } finally {
      await world.close();
    }
  });

  it('is a multiple of five minutes when wrong codes at a claimed name have locked it', async () => {
    await start();
    try {
      const claimed = { from: '20.0.0.1', as: 'ann' };
      const asked = await world.call('request-confirmation', { purpose: FORGOTTEN }, claimed);
      const another = { from: '20.0.1.1', as: 'ann' };
      for (let request = 0; request < 2; request += 1) {
        const { body } = await world.call('request-confirmation', { purpose: FORGOTTEN }, another);
        const { id } = body as { id: string };
        for (let guess = 0; guess < 5; guess += 1) {
          await world.call('confirm', { id, code: WRONG_CODE }, another);
        }
      }
      world.clock.advance({ seconds: 7 });
      const id = idOf(asked);
      const answers = [
        await world.call('confirm', { id, code: WRONG_CODE }, claimed),
        await world.call('request-confirmation', { purpose: FORGOTTEN }, claimed),
      ];

      expect(answers.map(({ status }) => status)).toEqual([429, 429]);
      expect(answers.map(retryAfter)).toEqual([COARSE_SECONDS, COARSE_SECONDS]);
    } finally {
      await world.close();
    }
  });

  it('is a multiple of five minutes when a lock refuses, and the wait of a signed-in owner is exact', async () => {
    await start();
    try {
      const guessTen = async (body: Record<string, unknown>, caller: Caller): Promise<Answer[]> => {
        const ids: string[] = [];
        for (const _ of [1, 2, 3]) {
          ids.push(idOf(await world.call('request-confirmation', body, caller)));
        }
        for (let guess = 0; guess < 10; guess += 1) {
          const id = ids[Math.floor(guess / 5)]!;
          expect((await world.call('confirm', { id, code: WRONG_CODE }, caller)).status).toBe(422);
        }
        world.clock.advance({ seconds: 7 });
        return [
          await world.call('confirm', { id: ids[2]!, code: WRONG_CODE }, caller),
          await world.call('request-confirmation', body, caller),
        ];
      };
      const open = await guessTen(
        { purpose: OPEN, token: 'ann@example.com' },
        { from: '20.0.0.1' },
      );
      expect(open.map(({ status }) => status)).toEqual([429, 429]);
      expect(open.map(retryAfter)).toEqual([COARSE_SECONDS, COARSE_SECONDS]);

      const bound = await guessTen({ purpose: BOUND }, { from: '20.0.0.1', as: 'ann' });
      expect(bound.map(({ status }) => status)).toEqual([429, 429]);
      expect(bound.map(retryAfter)).toEqual([23, 23]);
    } finally {
      await world.close();
    }
  });
});

/**
 * A purpose whose subject an anonymous client types, as "forgotten password" by a user name, in an application that finds one
 * account under several spellings. It proves that the limits count the person and not the spelling, and that no stranger reaches the
 * counters of what the person does after a sign-in.
 */
import { describe, expect, it } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import type { Answer } from '../support/http.js';
import {
  BOUND,
  FORGOTTEN,
  OWNER,
  OWNER_AT_HOME,
  OWNER_PHONE,
  startWorld,
  type World,
} from './world.js';

/** Spellings of the owner's name that the application takes for one name. */
const SPELLINGS = ['ann', 'Ann', 'aNn', 'anN', 'ANn', 'aNN', 'AnN', 'ANN'];

/** Requests for each spelling, from addresses of networks that have nothing in common. */
async function requestBySpellings(world: World): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (const [index, as] of SPELLINGS.entries()) {
    const caller = { from: `20.${index}.0.1`, as };
    answers.push(await world.call('request-confirmation', { purpose: FORGOTTEN }, caller));
  }
  return answers;
}

async function guessFive(world: World, as: string): Promise<void> {
  const caller = { from: '20.0.0.1', as };
  const { body } = await world.call('request-confirmation', { purpose: FORGOTTEN }, caller);
  const { id } = body as { id: string };
  for (let guess = 0; guess < 5; guess += 1) {
    const answer = await world.call('confirm', { id, code: WRONG_CODE }, caller);
    expect(answer.status).toBe(422);
  }
}

const statusesOf = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status);

describe.each(engines)('A claimed name on %s', (engine) => {
  it('gets five messages in ten minutes over all its spellings, and takes none from the signed-in person', async () => {
    const world = await startWorld({ engine });
    try {
      const answers = await requestBySpellings(world);

      expect(statusesOf(answers)).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);
      expect(world.messagesTo(OWNER_PHONE)).toBe(5);
      const own = await world.call('request-confirmation', { purpose: BOUND }, OWNER_AT_HOME);
      expect(own.status).toBe(200);
    } finally {
      await world.close();
    }
  });

  it('is locked after ten wrong codes over all its spellings, and locks nothing of the signed-in person', async () => {
    const world = await startWorld({ engine });
    try {
      await guessFive(world, 'Ann');
      await guessFive(world, 'ANN');

      const claimed = { from: '20.9.0.1', as: 'aNn' };
      const ask = (): Promise<Answer> =>
        world.call('request-confirmation', { purpose: FORGOTTEN }, claimed);
      expect((await ask()).status).toBe(429);
      const own = await world.call('request-confirmation', { purpose: BOUND }, OWNER_AT_HOME);
      expect(own.status).toBe(200);

      const person = { subject: OWNER, token: OWNER_PHONE };
      expect(await world.limits.failures(person)).toMatchObject({ count: 10 });
      await world.limits.reset(person);
      expect(await world.limits.failures(person)).toMatchObject({ count: 0, lockedUntil: null });
      expect((await ask()).status).toBe(200);
    } finally {
      await world.close();
    }
  });
});

describe('A claimed name', () => {
  it('gets a message for each spelling in the naive twin, which counts the subject that the client types', async () => {
    const world = await startWorld({ engine: 'sqljs', claimedSubject: false });
    try {
      expect(statusesOf(await requestBySpellings(world))).toEqual(SPELLINGS.map(() => 200));
      expect(world.messagesTo(OWNER_PHONE)).toBe(SPELLINGS.length);
    } finally {
      await world.close();
    }
  });
});

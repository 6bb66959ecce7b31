/**
 * `makeConfirmation` and `send` as two calls instead of one `request`. It proves that the two calls meet the same counters as
 * the one: no message, and no guess, is gained by making first and sending later.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { MakeConfirmationInput } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { engines } from '../support/engines.js';
import { refusal } from '../support/refusal.js';
import { BOUND, OPEN, startWorld, type World } from './world.js';

const PARTIES: readonly { what: string; made: (token: string) => MakeConfirmationInput }[] = [
  { what: 'no subject', made: () => ({ purpose: OPEN }) },
  { what: 'a subject', made: (token) => ({ purpose: BOUND, subject: `of ${token}` }) },
  {
    what: 'a subject whose client names the token',
    made: (token) => ({ purpose: BOUND, subject: `of ${token}`, tokenFrom: 'client' }),
  },
];

describe.each(engines)('Made first and sent later, on %s', (engine) => {
  let world: World;
  let next = 0;

  beforeAll(async () => {
    world = await startWorld({ engine, limits: { pending: { max: 10 } } });
  });
  afterAll(() => world.close());

  const token = (): string => `made${(next += 1)}@example.com`;
  /** Made with and without its token: the envelope has it then, or learns it with the message. */
  const makeAndSend = async (
    to: string,
    made: MakeConfirmationInput,
    requester?: string,
  ): Promise<unknown> => {
    const { confirmer, sender } = world.test;
    return refusal(
      confirmer
        .makeConfirmation(made)
        .then((state) => sender.send(null, to, state, undefined, { requester })),
    );
  };

  it.each(PARTIES)(
    'sends five messages in ten minutes to one token when there is $what',
    async ({ made }) => {
      const to = token();
      const { twoFactor } = world.test;
      const outcomes: unknown[] = [];
      for (let time = 0; time < 4; time += 1) {
        const input = time % 2 === 0 ? made(to) : { ...made(to), token: to };
        outcomes.push(await makeAndSend(to, input, `requester ${next} ${time}`));
      }
      for (let time = 0; time < 3; time += 1) {
        const requester = `another requester ${next} ${time}`;
        outcomes.push(await refusal(twoFactor.request({ ...made(to), token: to, requester })));
      }
      outcomes.push(await makeAndSend(to, made(to), `requester ${next} 9`));

      expect(outcomes.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'accepted'));
      for (const outcome of outcomes.slice(5)) {
        expect(outcome).toMatchObject({ 0: 429, 1: 'sends-per-token' });
      }
      expect(world.messagesTo(to)).toBe(5);
    },
  );

  it.each(PARTIES)(
    'compares ten guesses over all of them when there is $what',
    async ({ made }) => {
      const to = token();
      const { confirmer, twoFactor, sender } = world.test;
      const ids: string[] = [];
      for (let time = 0; time < 2; time += 1) {
        const requester = `guessing requester ${next} ${time}`;
        const state = await confirmer.makeConfirmation(made(to));
        await sender.send(null, to, state, undefined, { requester });
        ids.push(state.id);
        const asked = await twoFactor.request({ ...made(to), token: to, requester });
        ids.push(asked.id);
      }
      const outcomes: unknown[] = [];
      for (const id of ids) {
        for (let guess = 0; guess < 5; guess += 1) {
          outcomes.push(await refusal(confirmer.confirm(id, WRONG_CODE)));
        }
      }

      expect(outcomes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'accepted'));
      for (const outcome of outcomes.slice(10))
        expect(outcome).toMatchObject({ 0: 429, 1: 'failures' });
    },
  );

  it('counts requesters that the application does not name together, when it makes first and sends later', async () => {
    const outcomes: unknown[] = [];
    for (let time = 0; time < 70; time += 1) {
      outcomes.push(await makeAndSend(token(), { purpose: OPEN }));
    }

    expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(60);
    expect(outcomes.at(-1)).toMatchObject({ 0: 429, 1: 'sends-per-network' });
  });

  it('counts a requester by its address, when the application names it with the message', async () => {
    const outcomes: unknown[] = [];
    for (let time = 0; time < 15; time += 1) {
      outcomes.push(await makeAndSend(token(), { purpose: OPEN }, '203.0.113.77'));
    }

    expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(10);
    expect(outcomes.at(-1)).toMatchObject({ 0: 429, 1: 'sends-per-requester' });
  });
});

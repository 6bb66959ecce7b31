// The calls of a confirmation that a broken connection can interrupt, and what each of them leaves.
import { expect } from 'vitest';

import type { ConfirmationRecord } from '../../../lib/index.js';
import { STATEMENTS, type BehindProxy } from './behind-proxy.js';

interface Made {
  readonly id: string;
  readonly code: string | null;
}

/** A call, and what it leaves when it was done without an answer and when it never arrived. */
interface InterruptedCall {
  readonly name: string;
  readonly statement: RegExp;
  readonly prepare: (behind: BehindProxy) => Promise<Made>;
  readonly call: (behind: BehindProxy, id: string, code: string | null) => Promise<unknown>;
  /** The row after the fault. */
  readonly untouched: Partial<ConfirmationRecord>;
  readonly done: Partial<ConfirmationRecord>;
  /** What the same call answers then. */
  readonly again: (behind: BehindProxy, made: Made & { wasDone: boolean }) => Promise<void>;
}

export const keyOf = (id: string): string => `key-of-${id}`;

let tokens = 0;
/** Another token for each call: the limits of one are for few. */
export const newToken = (): string => {
  tokens += 1;
  return `token-${tokens}@example.com`;
};
const pending = ({ direct }: BehindProxy): Promise<Made> =>
  direct.confirmer.makeConfirmation({ token: newToken(), way: 'default' });
const confirmed = ({ direct }: BehindProxy): Promise<Made> =>
  direct.confirmer.makeConfirmation({ isConfirmed: true });
const number = expect.any(Number) as unknown as number;

export const INTERRUPTED_CALLS: readonly InterruptedCall[] = [
  {
    name: 'confirm with a wrong code',
    statement: STATEMENTS.confirm,
    prepare: pending,
    call: ({ test }, id) => test.confirmer.confirm(id, 'WRONGCODE'),
    untouched: { attempts: 0, confirmedAt: null },
    // Charged at least once, never given back.
    done: { attempts: 1, confirmedAt: null },
    again: async ({ test }, { id, code, wasDone }) => {
      const [state, done] = await test.confirmer.confirm(id, 'WRONGCODE');
      expect([state?.attemptsLeft, done]).toEqual([wasDone ? 3 : 4, false]);
      expect((await test.confirmer.confirm(id, code!))[1]).toBe(true);
    },
  },
  {
    name: 'confirm with the right code',
    statement: STATEMENTS.confirm,
    prepare: pending,
    call: ({ test }, id, code) => test.confirmer.confirm(id, code!),
    untouched: { attempts: 0, confirmedAt: null, useBefore: null },
    done: { attempts: 1, confirmedAt: number, useBefore: number },
    again: async ({ test }, { id, code, wasDone }) => {
      const { confirmer } = test;
      expect((await confirmer.check(id))[1]).toBe(wasDone);
      // `true` says that this very call confirmed it, and the status says the rest.
      expect(await confirmer.confirm(id, code!)).toMatchObject([
        { status: 'confirmed', attemptsLeft: 4 },
        !wasDone,
      ]);
      expect((await confirmer.check(id))[1]).toBe(true);
      expect(await confirmer.use(id)).toBe(true);
    },
  },
  {
    name: 'use',
    statement: STATEMENTS.use,
    prepare: confirmed,
    call: ({ test }, id) => test.confirmer.use(id, { idempotencyKey: keyOf(id) }),
    untouched: { usedAt: null, useKey: null },
    done: { usedAt: number },
    again: async ({ test }, { id }) => {
      expect(await test.confirmer.use(id, { idempotencyKey: keyOf(id) })).toBe(true);
      expect(await test.confirmer.use(id)).toBe(false);
    },
  },
  {
    name: 'confirm by hand',
    statement: /^UPDATE .two_factor_confirmation. SET .confirmed_at. = /,
    prepare: pending,
    call: async ({ test }, id) => {
      const [state] = await test.confirmer.check(id);
      return state!.confirm();
    },
    untouched: { confirmedAt: null },
    done: { confirmedAt: number },
    again: async ({ test }, { id, wasDone }) => {
      const [state] = await test.confirmer.check(id);
      expect(await state!.confirm()).toBe(!wasDone);
      expect(await test.confirmer.use(id)).toBe(true);
    },
  },
  {
    name: 'cancel',
    statement: STATEMENTS.cancel,
    prepare: pending,
    call: ({ test }, id) => test.confirmer.cancel(id),
    untouched: { cancelledAt: null },
    done: { cancelledAt: number },
    again: async ({ test }, { id, code, wasDone }) => {
      expect(await test.confirmer.cancel(id)).toBe(!wasDone);
      expect((await test.confirmer.confirm(id, code!))[1]).toBe(false);
    },
  },
  {
    name: 'send',
    statement: STATEMENTS.bind,
    prepare: pending,
    call: async ({ test, direct }, id) => {
      const [state] = await direct.confirmer.check(id);
      return test.sender.send(null, state!.token!, id);
    },
    untouched: { sends: 0, lastSentAt: null },
    // Charged, though the provider was never called.
    done: { sends: 1, lastSentAt: number },
    again: async ({ test }, { id, code, wasDone }) => {
      const { twoFactor, inbox, confirmer, clock } = test;
      const sent = (): number => inbox.deliveries.filter(({ state }) => state.id === id).length;
      expect(sent()).toBe(0);
      if (wasDone) {
        await expect(twoFactor.resend(id)).rejects.toMatchObject({ code: 'too-many-requests' });
        expect(sent()).toBe(0);
        clock.advance(30);
      }
      await twoFactor.resend(id);
      expect(sent()).toBe(1);
      expect(inbox.lastCode).toBe(code);
      expect((await confirmer.confirm(id, code!))[1]).toBe(true);
    },
  },
];

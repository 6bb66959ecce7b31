import { describe, expect, it } from 'vitest';

import {
  counterFaults,
  isLinearizable,
  lifeOperations,
  oneShotFaults,
  type Life,
} from './history.js';
import type { Answer, Outcome, Verb } from './protocol.js';

/** A call from one moment to another. */
function answer(startedAt: number, endedAt: number, outcome: Outcome, verb: Verb = 'use'): Answer {
  const call = { verb, id: 'a', isNaive: false };
  return { call, process: 0, startedAt, endedAt, outcome };
}

const won: Outcome = { kind: 'done', done: true };
const lost: Outcome = { kind: 'done', done: false };
const sees = (left: number): Outcome => ({ kind: 'done', done: false, left });

describe('A register that can be taken once', () => {
  it('explains one winner and losers that overlap it or come later', () => {
    expect(oneShotFaults([answer(0, 5, lost), answer(4, 8, won), answer(9, 10, lost)])).toEqual([]);
  });

  it('does not explain two winners, one after the other or at once', () => {
    expect(oneShotFaults([answer(0, 1, won), answer(2, 3, won)])).toEqual([
      'a call won that began after another had won',
    ]);
    expect(oneShotFaults([answer(0, 2, won), answer(1, 3, won)])).toEqual([
      'two calls won at once',
    ]);
  });

  it('does not explain that nobody won, or that somebody was turned away before the winner began', () => {
    expect(oneShotFaults([answer(0, 1, lost)])).toEqual(['no call won']);
    expect(
      oneShotFaults([
        answer(0, 1, lost),
        answer(0, 1, { kind: 'refused', code: 'too-many-requests' }),
        answer(2, 3, won),
      ]),
    ).toEqual(['2 calls lost before the winner began']);
  });

  it('takes a transaction that was rolled back for nothing that happened', () => {
    expect(oneShotFaults([answer(0, 1, { kind: 'conflict' }), answer(2, 3, won)])).toEqual([]);
  });
});

describe('A counter with a limit', () => {
  it('explains calls that see what was charged', () => {
    const calls = [answer(0, 1, sees(1)), answer(2, 5, sees(0)), answer(3, 6, sees(0))];
    expect(counterFaults(calls, 2)).toEqual([]);
  });

  it('does not explain an attempt that was given back', () => {
    expect(counterFaults([answer(0, 1, sees(1)), answer(2, 3, sees(1))], 2)).toEqual([
      'a call saw 1 attempts left where 0 to 0 were possible',
    ]);
  });

  it('does not explain attempts that nobody had spent yet', () => {
    expect(counterFaults([answer(0, 1, sees(0)), answer(2, 3, sees(0))], 2)).toEqual([
      'a call saw 0 attempts left where 1 to 1 were possible',
    ]);
  });
});

describe('The life of a confirmation', () => {
  const explains = (final: Life, ...answers: Answer[]): boolean =>
    isLinearizable(lifeOperations(answers), 'pending', final);

  it('explains calls that overlap by any order of them', () => {
    const confirm = answer(0, 9, won, 'confirm');
    const use = answer(0, 9, won, 'use');
    const cancel = answer(0, 9, lost, 'cancel');
    expect(explains('used', cancel, use, confirm)).toBe(true);
    expect(explains('confirmed', cancel, use, confirm)).toBe(false);
  });

  it('does not explain a use that was over before the confirmation began', () => {
    expect(explains('used', answer(0, 1, won, 'use'), answer(2, 3, won, 'confirm'))).toBe(false);
  });

  it('does not explain both a use and a cancellation', () => {
    const both = [answer(1, 9, won, 'use'), answer(1, 9, won, 'cancel')];
    expect(explains('used', answer(0, 9, won, 'confirm'), ...both)).toBe(false);
    expect(explains('cancelled', answer(0, 9, won, 'confirm'), ...both)).toBe(false);
  });

  it('does not explain a right code that was refused while the confirmation was pending', () => {
    expect(explains('pending', answer(0, 1, lost, 'confirm'))).toBe(false);
  });
});

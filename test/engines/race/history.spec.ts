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

describe('The check of a history of calls of which one may succeed', () => {
  it('accepts one winner, and losers that overlap it or come later', () => {
    expect(oneShotFaults([answer(0, 5, lost), answer(4, 8, won), answer(9, 10, lost)])).toEqual([]);
  });

  it('rejects two winners, one after the other or at once', () => {
    expect(oneShotFaults([answer(0, 1, won), answer(2, 3, won)])).toEqual([
      'a call won that began after another had won',
    ]);
    expect(oneShotFaults([answer(0, 2, won), answer(1, 3, won)])).toEqual([
      'two calls won at once',
    ]);
  });

  it('rejects a history without a winner, and one in which a call was refused before the winner began', () => {
    expect(oneShotFaults([answer(0, 1, lost)])).toEqual(['no call won']);
    expect(
      oneShotFaults([
        answer(0, 1, lost),
        answer(0, 1, { kind: 'refused', code: 'too-many-requests' }),
        answer(2, 3, won),
      ]),
    ).toEqual(['2 calls lost before the winner began']);
  });

  it('ignores a call whose transaction was rolled back', () => {
    expect(oneShotFaults([answer(0, 1, { kind: 'conflict' }), answer(2, 3, won)])).toEqual([]);
  });
});

describe('The check of a history of calls that count to a limit', () => {
  it('accepts calls that see the attempts charged before them', () => {
    const calls = [answer(0, 1, sees(1)), answer(2, 5, sees(0)), answer(3, 6, sees(0))];
    expect(counterFaults(calls, 2)).toEqual([]);
  });

  it('rejects a call that sees a charged attempt given back', () => {
    expect(counterFaults([answer(0, 1, sees(1)), answer(2, 3, sees(1))], 2)).toEqual([
      'a call saw 1 attempts left where 0 to 0 were possible',
    ]);
  });

  it('rejects a call that sees attempts charged which no call had made yet', () => {
    expect(counterFaults([answer(0, 1, sees(0)), answer(2, 3, sees(0))], 2)).toEqual([
      'a call saw 0 attempts left where 1 to 1 were possible',
    ]);
  });
});

describe('The check of a history of confirm, use and cancel calls', () => {
  const explains = (final: Life, ...answers: Answer[]): boolean =>
    isLinearizable(lifeOperations(answers), 'pending', final);

  it('accepts overlapping calls if one order of them explains all answers', () => {
    const confirm = answer(0, 9, won, 'confirm');
    const use = answer(0, 9, won, 'use');
    const cancel = answer(0, 9, lost, 'cancel');
    expect(explains('used', cancel, use, confirm)).toBe(true);
    expect(explains('confirmed', cancel, use, confirm)).toBe(false);
  });

  it('rejects a use that succeeded before the call that confirms began', () => {
    expect(explains('used', answer(0, 1, won, 'use'), answer(2, 3, won, 'confirm'))).toBe(false);
  });

  it('rejects a history in which a use and a cancellation both succeed', () => {
    const both = [answer(1, 9, won, 'use'), answer(1, 9, won, 'cancel')];
    expect(explains('used', answer(0, 9, won, 'confirm'), ...both)).toBe(false);
    expect(explains('cancelled', answer(0, 9, won, 'confirm'), ...both)).toBe(false);
  });

  it('rejects a history in which a right code is refused while the confirmation is pending', () => {
    expect(explains('pending', answer(0, 1, lost, 'confirm'))).toBe(false);
  });
});

import { describe, expect, it } from 'vitest';

import { findKind } from '../../../lib/confirmation/store/call-lists.js';
import type { CallListStatements } from '../../../lib/confirmation/store/dialects/call-list-statements.js';

type Calls = Parameters<ReturnType<typeof findKind>['answers']>[1];

/** What each read of a batch is answered; `null` for one that the statement for one call decides. */
function answersFor(ids: readonly string[], found: readonly string[]): unknown[] | null {
  const calls = ids.map((id) => ({ values: { id } })) as unknown as Calls;
  const rows = found.map((id) => ({ id }));
  const kind = findKind({} as CallListStatements);
  const answers = kind.answers({ rows, affected: 0, insertId: 0 }, calls);
  return answers && answers.map((answer) => answer && answer.rows.map((row) => row['id']));
}

describe('A batch of reads', () => {
  it('gives each call its row, and none to a call whose confirmation there is not', () => {
    expect(answersFor(['a', 'b', 'c', 'a'], ['c', 'a'])).toEqual([['a'], [], ['c'], ['a']]);
    expect(answersFor(['a', 'b'], [])).toEqual([[], []]);
  });

  it('leaves a call without a row to its own statement when a row has another spelling of an id', () => {
    expect(answersFor(['a', 'b'], ['a', 'B'])).toEqual([['a'], null]);
  });

  it('leaves all calls without a row to their own statements when one row has another spelling of an id', () => {
    expect(answersFor(['a', 'b', 'c'], ['a', 'B'])).toEqual([['a'], null, null]);
    expect(answersFor(['b'], ['B'])).toEqual([null]);
  });
});

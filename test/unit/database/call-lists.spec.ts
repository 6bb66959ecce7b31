import { describe, expect, it } from 'vitest';

import {
  bindLists,
  elementPlaceholders,
  statementSizeFor,
} from '../../../lib/database/batching/call-lists.js';
import { Statement } from '../../../lib/database/statement.js';

describe('The lists of values of a statement for several calls', () => {
  it('repeats the last element where there are fewer elements than the text has places', () => {
    const sql = `UPDATE t SET at = :now WHERE id IN (${elementPlaceholders('call', 'id', 4)}) AND k IN (${elementPlaceholders('held', 'key', 2)})`;
    const statement = new Statement('mysql', sql);
    const lists = { call: [{ id: 'a' }, { id: 'b' }], held: [{ key: 'x' }, { key: 'y' }] };

    expect(statement.text).toBe('UPDATE t SET at = ? WHERE id IN (?, ?, ?, ?) AND k IN (?, ?)');
    expect(bindLists(statement, lists, { now: 7 })).toEqual([7, 'a', 'b', 'b', 'b', 'x', 'y']);
  });

  it('throws when an element lacks a value', () => {
    const statement = new Statement('mysql', elementPlaceholders('call', 'id', 1));

    expect(() => bindLists(statement, { call: [{}] }, {})).toThrow('id is missing');
  });

  it('has one text for several numbers of elements', () => {
    expect([2, 3, 5, 16, 17, 200].map((count) => statementSizeFor(count))).toEqual([
      2, 4, 8, 16, 24, 256,
    ]);
  });

  it('has one text for several numbers of elements also beyond 256, such as the 290 quotas of 24 requests', () => {
    expect([257, 290, 385, 600, 769, 1_000, 1_025].map((count) => statementSizeFor(count))).toEqual(
      [384, 384, 512, 768, 1_024, 1_024, 1_280],
    );
  });
});

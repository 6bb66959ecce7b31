import { describe, expect, it } from 'vitest';

import { PgPreparedBatch, type PgWire } from '../../../lib/database/drivers/pg-prepared-batch.js';
import type { PgResult } from '../../../lib/database/drivers/statement-result.js';
import { Statement } from '../../../lib/database/statement.js';

const INT8 = 20;
const BOOL = 16;
const JSON_TEXT = 114;
const JSONB = 3802;

/** What is said on the wire. */
function wireOf(said: string[]): PgWire {
  const say = (what: string) => (): void => {
    said.push(what);
  };
  return {
    parsedStatements: {},
    stream: {},
    parse: say('parse'),
    bind: say('bind'),
    describe: say('describe'),
    execute: say('execute'),
    sync: say('sync'),
  };
}

describe('A batch of prepared statements on pg', () => {
  /** Sends it, and answers as the server would. */
  function answered(
    statement: Statement,
    fields: { name: string; dataTypeID: number }[] | null,
    ...rows: (string | null)[][]
  ): { said: string[]; error: Error | null; result: PgResult | undefined } {
    const said: string[] = [];
    let answer: { error: Error | null; result: PgResult | undefined } | undefined;
    const query = new PgPreparedBatch([{ statement, values: [] }], (error, result) => {
      answer = { error, result };
    });
    query.submit(wireOf(said));
    if (fields) query.handleRowDescription({ fields });
    for (const row of rows) query.handleDataRow({ fields: row });
    expect(answer).toBeUndefined();
    query.handleCommandComplete({ text: `SELECT ${rows.length}` });
    query.handleReadyForQuery();
    return { said, ...answer! };
  }

  const statement = (): Statement => new Statement('postgres', 'SELECT 1');

  it('converts bool, json and jsonb, and returns all other values as texts', () => {
    const fields = [
      { name: 'count', dataTypeID: INT8 },
      { name: 'touched', dataTypeID: BOOL },
      { name: 'locks', dataTypeID: JSON_TEXT },
      { name: 'more', dataTypeID: JSONB },
      { name: 'none', dataTypeID: INT8 },
    ];

    const { result } = answered(statement(), fields, ['7', 't', '[1]', '{"a":1}', null]);

    const row = { count: '7', touched: true, locks: [1], more: { a: 1 }, none: null };
    expect(result).toEqual({ rows: [row], rowCount: 1 });
  });

  it('is described once', () => {
    const once = statement();
    const fields = [{ name: 'id', dataTypeID: INT8 }];

    expect(answered(once, fields, ['1']).said).toContain('describe');
    const again = answered(once, null, ['2']);

    expect(again.said).not.toContain('describe');
    expect(again.result?.rows).toEqual([{ id: '2' }]);
  });

  it('fails when it cannot be read, not before the server is ready, and is described again', () => {
    const odd = statement();

    const { error } = answered(odd, [{ name: 'locks', dataTypeID: JSONB }], ['{']);

    expect(error).toBeInstanceOf(SyntaxError);
    expect(answered(odd, [{ name: 'locks', dataTypeID: JSONB }], ['{}']).said).toContain(
      'describe',
    );
  });

  it('fails when rows come without a description', () => {
    expect(answered(statement(), null, ['1']).error).toBeInstanceOf(TypeError);
  });

  it('ends with Sync also when it cannot be written: the server would wait for more', () => {
    const said: string[] = [];
    let failure: Error | null = null;
    const query = new PgPreparedBatch([{ statement: statement(), values: [] }], (error) => {
      failure = error;
    });

    query.submit({
      ...wireOf(said),
      bind: () => {
        throw new RangeError('too long');
      },
    });
    expect(said.at(-1)).toBe('sync');
    query.handleReadyForQuery();

    expect(failure).toBeInstanceOf(RangeError);
  });

  describe('of several statements', () => {
    const id = { name: 'id', dataTypeID: INT8 };
    const read = new Statement('postgres', 'SELECT :id AS id');
    const write = new Statement('postgres', 'UPDATE several SET id = :id');
    let said: string[];
    let wire: PgWire;
    let answer: { error: Error | null; result: PgResult | undefined } | undefined;

    const send = (...statements: Statement[]): PgPreparedBatch => {
      said = [];
      answer = undefined;
      wire = wireOf(said);
      const query = new PgPreparedBatch(
        statements.map((statement, index) => ({ statement, values: [index] })),
        (error, result) => {
          answer = { error, result };
        },
      );
      query.submit(wire);
      return query;
    };

    it('sends all statements at once, ends once, and parses no statement twice', () => {
      const query = send(read, write, read);

      expect(said.join(' ')).toBe(
        'parse bind describe execute parse bind describe execute bind describe execute sync',
      );
      expect(query.name).toBe(read.name);
    });

    it('answers all of them when the server is ready: before that nothing is committed', () => {
      const query = send(read, write, read);
      query.handleRowDescription({ fields: [id] });
      query.handleDataRow({ fields: ['7'] });
      query.handleCommandComplete({ text: 'SELECT 1' });
      // `pg` notes under these what the connection has parsed.
      expect([query.name, query.text]).toEqual([write.name, write.text]);
      query.handleCommandComplete({ text: 'UPDATE 3' });
      expect(query.name).toBe(read.name);
      query.handleRowDescription({ fields: [id] });
      query.handleDataRow({ fields: ['8'] });
      query.handleCommandComplete({ text: 'SELECT 1' });
      expect(answer).toBeUndefined();

      query.handleReadyForQuery();

      expect(answer).toEqual({
        error: null,
        result: { rows: [{ id: '7' }, { id: '8' }], rowCount: 5 },
      });
      send(read, write);
      expect(said).not.toContain('describe');
    });

    it('works when a tracer replaces its text, or makes its text read-only', () => {
      const commented = send(write, read);
      commented.text = `${commented.text} /* traced */`;
      expect(commented.text).toContain('traced');
      commented.submit(wire);
      for (const tag of ['UPDATE 1', 'SELECT 0']) commented.handleCommandComplete({ text: tag });
      commented.handleReadyForQuery();
      expect(answer).toMatchObject({ error: null });

      const frozen = send(write, read);
      for (const name of ['name', 'text']) {
        Object.defineProperty(frozen, name, { get: () => 'of the first one' });
      }
      for (const tag of ['UPDATE 1', 'SELECT 0']) frozen.handleCommandComplete({ text: tag });
      frozen.handleReadyForQuery();

      expect(answer).toMatchObject({ error: null });
      // What `pg` would have noted by those.
      expect(wire.parsedStatements).toEqual({ [read.name]: read.text });
    });

    it('sends none of the statements when the values of one cannot be serialized', () => {
      said = [];
      const query = new PgPreparedBatch(
        [
          { statement: write, values: [1] },
          { statement: write, values: [Object.create(null) as number] },
        ],
        (error, result) => {
          answer = { error, result };
        },
      );
      query.submit(wireOf(said));
      query.handleReadyForQuery();

      expect(said).toEqual(['sync']);
      expect(answer).toMatchObject({ error: expect.any(TypeError) as unknown });
    });

    it('fails as one', () => {
      const query = send(write, read);
      query.handleCommandComplete({ text: 'UPDATE 1' });

      query.handleError(new Error('refused'));

      expect(answer).toEqual({ error: new Error('refused'), result: undefined });
      expect(query.name).toBe(read.name);
    });
  });
});

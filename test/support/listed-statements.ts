// Statements by which MySQL and MariaDB execute several concurrent calls together.
import type { DataSource } from 'typeorm';
import { afterEach } from 'vitest';

import { LimitService } from '../../lib/index.js';
import { personOf } from './batch-contract.js';
import { WRONG_CODE } from './canaries.js';
import type { EngineName } from './engines.js';
import { startApp, type TestApp, type TestAppInput } from './test-app.js';

/** Statements for several calls. */
export const COMPARES = /^UPDATE \(SELECT .+ STRAIGHT_JOIN .two_factor_limit./s;
export const USES = /^UPDATE \(SELECT (?!.+two_factor_limit)/s;
export const CHARGES = /^INSERT INTO .two_factor_limit.[^(]+\([^)]+\) VALUES .*BIT_COUNT/s;
const LISTED = [COMPARES, USES, CHARGES];
export const isListed = (sql: string): boolean => LISTED.some((text) => text.test(sql));
/** Inserts several confirmations, and needs no transaction around it. */
export const INSERTS = /^INSERT INTO .two_factor_confirmation.[^(]+\([^)]+\) VALUES \([^)]+\), \(/s;
const BRACKETS = new Set(['ROLLBACK', 'BEGIN', 'COMMIT']);
/** How many statements there are beside the begin and the end of transactions. */
export const countWork = (statements: readonly { readonly sql: string }[]): number =>
  statements.filter(({ sql }) => !BRACKETS.has(sql)).length;

/** Calls go together once the answer of a statement for one call has arrived. */
export async function startBatching(
  engine: EngineName,
  input: TestAppInput = {},
): Promise<TestApp> {
  const test = await startApp({
    engine,
    ...input,
    // Also in the rounds whose environment switches batching and limits off.
    options: { batching: true, env: false, limits: {}, ...input.options },
  });
  const { id } = await test.confirmer.makeConfirmation({ subject: 'first' });
  await test.confirmer.confirm(id, WRONG_CODE);
  return test;
}

/** The applications that a test has started, which are closed after it. */
export function openApplications(): TestApp[] {
  const open: TestApp[] = [];
  afterEach(async () => {
    for (const each of open.splice(0).toReversed()) await each.close();
  });
  return open;
}

/** Makes the server refuse each insert, or each update, of a confirmation of the subject "spoiler". */
export async function spoil(
  dataSource: DataSource,
  event: 'INSERT' | 'UPDATE',
  signal: string,
): Promise<void> {
  await dataSource.query(`
    CREATE TRIGGER spoil BEFORE ${event} ON two_factor_confirmation FOR EACH ROW
    IF NEW.subject = 'spoiler' THEN SIGNAL ${signal}; END IF`);
}

export async function failuresOf({ app }: TestApp, index: number): Promise<number> {
  const { token, subject } = personOf(index);
  return (await app.get(LimitService).failures({ token, subject })).count;
}

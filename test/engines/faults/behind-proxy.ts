import { ConsoleLogger } from '@nestjs/common';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { afterAll, beforeAll, expect } from 'vitest';

import { ConfirmationRecord } from '../../../lib/index.js';
import { recordOutput } from '../../support/canaries.js';
import { openDatabase, type EngineName } from '../../support/engines.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { watchRejections } from '../../support/rejections.js';
import { startApp, TestClock, type TestApp, type TestAppInput } from '../../support/test-app.js';

/** The statements of the store on the servers, for one and joined. */
export const STATEMENTS = {
  insert: /^(WITH given .*[ (])?INSERT INTO .two_factor_confirmation/,
  find: /^SELECT .* FROM .two_factor_confirmation. WHERE .id. = /,
  confirm:
    /^(WITH given .*[()] )?UPDATE .two_factor_confirmation. (confirmation |SET .attempts. = )/,
  use: /^(WITH given .*[()] )?UPDATE .two_factor_confirmation. SET .used_at. = (?!NULL)/,
  keepReserved: /^UPDATE .two_factor_confirmation. SET .use_key. = NULL/,
  release: /^UPDATE .two_factor_confirmation. SET .used_at. = NULL/,
  bind: /^UPDATE .two_factor_confirmation. SET .way. = /,
  cancel: /^UPDATE .two_factor_confirmation. SET .cancelled_at. = /,
  purge: /^DELETE (?:ended )?FROM .two_factor_confirmation. .*\bIN \(/,
  commit: /^COMMIT/,
} as const;

/** An application whose connections a test can break, and a second one that connects directly. */
export interface BehindProxy {
  readonly test: TestApp;
  readonly direct: TestApp;
  readonly proxy: FaultProxy;
  readonly row: (id: string) => Promise<ConfirmationRecord>;
  readonly close: () => Promise<void>;
}

export async function startBehindProxy(
  engine: EngineName,
  input: Omit<TestAppInput, 'database' | 'engine'> = {},
): Promise<BehindProxy> {
  const database = await openDatabase(engine);
  const clock = new TestClock();
  const options = { clock, ...input.options };
  const direct = await startApp({ database, options: { ...options, databaseTimeoutMs: 60_000 } });
  const proxy = await FaultProxy.before((database.options as { url: string }).url);
  const test = await startApp({ ...input, database: proxy.through(database), options });
  return {
    test: { ...test, clock },
    direct: { ...direct, clock },
    proxy,
    row: (id) => direct.dataSource.getRepository(ConfirmationRecord).findOneByOrFail({ id }),
    close: async () => {
      proxy.calm();
      await test.close();
      await proxy.close();
      await direct.close();
      await database.drop();
    },
  };
}

/** Keeps the many refusals of these tests out of the report, and in the search for codes. */
class QuietLogger extends ConsoleLogger {
  constructor() {
    super({ logLevels: [] });
  }

  override error(...lines: unknown[]): void {
    recordOutput('error', ...lines);
  }

  override warn(...lines: unknown[]): void {
    recordOutput('warn', ...lines);
  }
}

export const quietly = {
  override: (builder: TestingModuleBuilder) => builder.setLogger(new QuietLogger()),
} satisfies TestAppInput;

/** Invariant I11 for every test of a file: nothing is rejected behind everybody's back. */
export function expectNoStrayRejections(): void {
  let watch: ReturnType<typeof watchRejections>;
  beforeAll(() => {
    watch = watchRejections();
  });
  afterAll(() => {
    expect(watch.stop()).toEqual([]);
  });
}

/** Calls in small groups, so that one does not wait for the pool longer than it may. */
export async function inGroups<T>(
  count: number,
  work: (index: number) => Promise<T>,
  size = 20,
): Promise<T[]> {
  const answers: T[] = [];
  for (let first = 0; first < count; first += size) {
    const group = Array.from({ length: Math.min(size, count - first) }, (_, at) => first + at);
    answers.push(...(await Promise.all(group.map(work))));
  }
  return answers;
}

/** What came of a call, so that outcomes can be counted. */
export async function outcomeOf(call: Promise<unknown>): Promise<string> {
  try {
    return String(await call);
  } catch (error) {
    return error instanceof Error ? error.constructor.name : 'no error';
  }
}

export function tally(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

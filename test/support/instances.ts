// Several applications on one database, as the instances of one service are, for races between them.
import type { TwoFactorModuleOptions } from '../../lib/index.js';
import { engines, type EngineName } from './engines.js';
import { setLevel, type IsolationLevel } from './isolation.js';
import { NaiveFactors } from './naive-factors.js';
import { startApp, type TestApp } from './test-app.js';

const COUNT = 4;
const POOL = 5;

/** A database of sql.js belongs to one application, in which the calls for one confirmation wait for each other. */
export const sharedEngines = engines.filter((engine) => engine !== 'sqljs');

/** How many of the concurrent calls succeeded. */
export async function winners(calls: readonly (() => Promise<boolean>)[]): Promise<number> {
  const answers = await Promise.all(calls.map((call) => call()));
  return answers.filter(Boolean).length;
}

export class Instances {
  readonly naive: NaiveFactors;
  #subjects = 0;

  private constructor(
    private readonly engine: EngineName,
    readonly first: TestApp,
    private readonly all: readonly TestApp[],
  ) {
    this.naive = new NaiveFactors(first.dataSource);
  }

  /** @param level the isolation of every connection. @default that of the server */
  static async start(
    engine: EngineName,
    given: TwoFactorModuleOptions,
    level?: IsolationLevel,
  ): Promise<Instances> {
    const options = { databaseTimeoutMs: 60_000, ...given };
    const dataSource = { poolSize: POOL };
    const first = await startApp({ engine, options, dataSource });
    const all = [first];
    while (all.length < COUNT) {
      all.push(await startApp({ engine, database: first.database, options, dataSource }));
    }
    if (level !== undefined) {
      for (const each of all) await setLevel(each.dataSource, level, POOL);
    }
    return new Instances(engine, first, all);
  }

  /** The instances in turns: each has its own clock, which is set to that of the first one. */
  at(index: number): TestApp {
    const each = this.all[index % this.all.length]!;
    each.clock.advance((this.first.clock.now() - each.clock.now()) / 1_000);
    return each;
  }

  nextSubject(): string {
    this.#subjects += 1;
    return `${this.engine}-${this.#subjects}`;
  }

  async close(): Promise<void> {
    for (const each of this.all.toReversed()) await each.close();
  }
}

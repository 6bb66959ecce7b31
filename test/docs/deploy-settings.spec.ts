// The settings that the page names for poolers, clusters and functions: each is there, each option exists, and an application with
// those for a function that is frozen between its calls works and leaves nothing to a timer.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { DeliveryService, type TwoFactorModuleOptions } from '../../lib/index.js';
import { settableOptions } from '../support/settable-options.js';
import { readPage } from '../support/snippets.js';
import { startApp } from '../support/test-app.js';

const { text } = await readPage('docs/guides/deploy.md');
const OPTIONS = new Map(settableOptions());
/** Options of the data source, which TypeORM documents. */
const OF_TYPEORM = new Set(['poolSize']);

/** The part of the page under a heading. */
function partOf(heading: string): string {
  const [, part = ''] = text.split(`\n## ${heading}\n`);
  return part.split('\n## ')[0]!;
}

/** The settings of a part, such as `batching: false`. */
function settingsOf(part: string): Map<string, unknown> {
  const found = [...part.matchAll(/`([a-zA-Z]+): (true|false|\d+|'[a-z]+')`/g)];
  return new Map(
    found.map(([, name, value]) => [name!, JSON.parse(value!.replaceAll("'", '"')) as unknown]),
  );
}

afterEach(() => {
  vi.useRealTimers();
});

describe('The page about deploying', () => {
  it.each([
    [
      'Poolers',
      'Supavisor in transaction mode',
      /\| Supavisor.*transaction.*`preparedStatements: false`/,
    ],
    ['Poolers', 'Neon', /\| Neon, host with `-pooler`.*nothing/],
    [
      'Poolers',
      'a proxy that splits reads from writes',
      /\| ProxySQL, MaxScale +\| nothing: .*`FOR UPDATE`/,
    ],
    [
      'Clusters and failover',
      'a standby that may lose a proof',
      /`synchronous_commit = on` and `synchronous_standby_names`/,
    ],
    [
      'Clusters and failover',
      'a URL of several hosts',
      /Neither `pg` nor `mysql2` takes a URL with several hosts\. Use/,
    ],
    ['Clusters and failover', 'two Galera nodes that write one counter', /statements to one node/],
    ['Clusters and failover', 'a Galera node that is behind', /set `wsrep_sync_wait = 3`/],
    [
      'Clusters and failover',
      'migrations of several instances',
      /\*\*`migrationsRun` on several instances\.\*\*/,
    ],
    ['Several tenants', 'a data source for each request', /is refused at the first call/],
    ['Environment files', 'quotes that docker keeps', /`docker run --env-file`.*keep quotes/],
  ])('says under "%s" what to do about %s', (heading, _, sentence) => {
    expect(partOf(heading)).toMatch(sentence);
  });

  it('names only options that exist, and none with its default value', () => {
    const settings = settingsOf(text);
    const missing = [...settings.keys()].filter(
      (name) => !OPTIONS.has(name) && !OF_TYPEORM.has(name),
    );
    const defaults = [...settings].filter(([name, value]) => OPTIONS.get(name) === value);
    expect(missing).toEqual([]);
    expect(defaults).toEqual([]);
    expect([...settings.keys()]).toEqual(
      expect.arrayContaining(['preparedStatements', 'batching', 'autoPurge', 'worker', 'delivery']),
    );
  });

  const ofFunctions = [...settingsOf(partOf('Lambda and other functions'))].filter(
    ([name]) => !OF_TYPEORM.has(name),
  );

  /** How many statements the timers of an application send in the day after a request. A frozen process would not send them. */
  async function statementsOfTimers(options: Partial<TwoFactorModuleOptions>): Promise<number> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] });
    const test = await startApp({ options });
    const { app, twoFactor, confirmer, inbox, log } = test;
    const { state } = await twoFactor.request({ token: 'ann@example.com' });
    if (options.worker === false) {
      expect(await app.get(DeliveryService).sweep()).toBe(1);
      expect((await confirmer.confirm(state.id, inbox.lastCode))[1]).toBe(true);
    }
    const sent = await log.during(() => vi.advanceTimersByTimeAsync(86_400_000));
    vi.useRealTimers();
    await test.close();
    return sent.length;
  }

  it('leaves nothing to a timer with the settings for functions', async () => {
    const settings = Object.fromEntries(ofFunctions) as Partial<TwoFactorModuleOptions>;
    expect(await statementsOfTimers(settings)).toBe(0);
    // The page is right to name both.
    for (const name of ['autoPurge', 'worker'] as const) {
      const others = { ...settings, [name]: OPTIONS.get(name) };
      expect(await statementsOfTimers(others), name).toBeGreaterThan(0);
    }
  });
});

// Every cause for which a database refuses: what the client is answered, what the log says, and whether a repeated call
// helps. `docs/errors.md` has the same table.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { ConsoleLogger } from '@nestjs/common';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { recordOutput } from '../../support/canaries.js';
import { engines, type TestDatabase } from '../../support/engines.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../../support/http.js';
import { ownServers, type OwnServer } from '../../support/own-servers.js';
import { cellsOf } from '../../support/tables.js';
import { expectNoStrayRejections } from './behind-proxy.js';
import { CAUSES, type Cause, type Outcome } from './refusal-causes.js';

expectNoStrayRejections();

const POOL = 3;

/** Keeps what the application logs as errors, for the tests to read. */
class ErrorLog extends ConsoleLogger {
  readonly lines: string[] = [];

  constructor() {
    super({ logLevels: [] });
  }

  override error(...lines: unknown[]): void {
    recordOutput('error', ...lines);
    this.lines.push(String(lines[0]));
  }
}

const STATUS: Readonly<Record<Outcome, number>> = {
  'temporarily-unavailable': 503,
  'out-of-service': 503,
  'invalid-configuration': 500,
};

function expectOutcome(answer: Answer, outcome: Cause['outcome']): void {
  if (outcome === 'none') {
    expect(answer.status).toBe(200);
    return;
  }
  const members = outcome === 'temporarily-unavailable' ? { retryAfter: 1 } : {};
  expect(answer).toBeProblem(STATUS[outcome], outcome, members);
  // Neither the server's words nor its code, which name tables, users and hosts.
  expect(answer.text).not.toMatch(/two_factor_confirmation|application@|SQLSTATE|errno|relation/);
}

describe.each(ownServers)('A refusal of $engine', ({ engine, launch }) => {
  const log = new ErrorLog();
  let server: OwnServer;
  let proxy: FaultProxy;
  let http: HttpTestApp;

  beforeAll(async () => {
    server = await launch([]);
    const url = new URL(server.url);
    url.password = 'application';
    proxy = await FaultProxy.before(url.href);
    const database: TestDatabase = {
      engine,
      options: { type: engine, url: proxy.url, poolSize: POOL },
      drop: async () => undefined,
    };
    http = await startHttpApp({
      override: (builder: TestingModuleBuilder) => builder.setLogger(log),
      database,
      options: {
        controller: true,
        databaseTimeoutMs: 10_000,
        // All requests come from one address: the default limits, each request by a requester of its own.
        limits: { requester: () => randomUUID() },
      },
    });
  });
  afterAll(async () => {
    proxy.calm();
    await http.close();
    await proxy.close();
    await server.close();
  });

  let tokens = 0;
  it.each(Object.entries(CAUSES))('is answered and logged by its cause: %s', async (_, cause) => {
    tokens += 1;
    const { id, code } = await http.request({ token: `token-${tokens}@example.com` });
    const confirm = (): Promise<Answer> => http.post('/2factor/confirm', { id, code });
    log.lines.length = 0;

    const { provoke, log: expected } = cause;
    const end = await (provoke[engine] ?? provoke.mariadb)({ server, proxy, http, id });
    expectOutcome(await confirm(), cause.outcome);

    if (cause.outcome !== 'none') {
      expect(log.lines).toHaveLength(1);
      expect(log.lines[0]).toMatch(/^urn:uuid:/);
      expect(log.lines[0]).toMatch(expected![engine] ?? expected!.mariadb);
      expect(log.lines[0]).not.toContain(code);
    }
    if (!cause.isRepeatable) expectOutcome(await confirm(), cause.outcome);
    await end?.();
    // The news of the end of a session may reach its connection after the next call.
    let { status } = await confirm();
    let repeats = 0;
    for (; status >= 500 && repeats < 600; repeats += 1) {
      await sleep(100);
      ({ status } = await confirm());
    }
    // A repeat may find the code confirmed by a call of this loop whose answer was lost. None that was refused before has done that.
    const allowed = cause.outcome === 'none' ? [409] : repeats > 0 ? [200, 409] : [200];
    expect(allowed).toContain(status);
    const row = await http.row(id);
    expect(row.confirmedAt).not.toBeNull();
    expect(row.attempts).toBeLessThanOrEqual(1);
  });
});

describe.each(engines.filter((engine) => engine === 'better-sqlite3'))(
  'A refusal of %s',
  (engine) => {
    const start = (log: ErrorLog): Promise<HttpTestApp> =>
      startHttpApp({
        override: (builder: TestingModuleBuilder) => builder.setLogger(log),
        engine,
        // Requests fill the file: a limit would end that before the file is full.
        options: { controller: true, limits: false },
      });
    const request = (http: HttpTestApp): Promise<Answer> =>
      http.post('/2factor/request-confirmation', { token: 'ann@example.com' });

    it.each([
      [
        'a full disk',
        'out-of-service',
        (pages: number) => `PRAGMA max_page_count = ${pages}`,
        'PRAGMA max_page_count = 1000000',
        /is full \(SQLITE_FULL\).* Cause: database or disk is full/,
      ],
      [
        'a file that accepts no writes',
        'out-of-service',
        () => 'PRAGMA query_only = ON',
        'PRAGMA query_only = OFF',
        /accepts no writes.*\(SQLITE_READONLY\).* Cause: attempt to write a readonly database/,
      ],
      [
        'a missing table',
        'invalid-configuration',
        () => 'ALTER TABLE two_factor_confirmation RENAME TO elsewhere',
        'ALTER TABLE elsewhere RENAME TO two_factor_confirmation',
        /lacks a table.*\(SQLITE_ERROR: no such table/,
      ],
    ] as const)('is answered and logged by its cause: %s', async (_, outcome, sql, undo, words) => {
      const log = new ErrorLog();
      const http = await start(log);
      const [{ page_count: pages } = { page_count: 0 }] = (await http.dataSource.query(
        'PRAGMA page_count',
      )) as { page_count: number }[];
      await http.dataSource.query(sql(pages));
      let answer = await request(http);
      // A page may have room for some rows more.
      for (let more = 0; more < 200 && answer.status === 200; more += 1) {
        await http.confirmer.makeConfirmation({ meta: 'x'.repeat(4_000) }).catch(() => undefined);
        answer = await http.post('/2factor/request-confirmation', {
          token: `t${more}@example.com`,
        });
      }

      expectOutcome(answer, outcome);
      expect(log.lines.at(-1)).toMatch(words);
      await http.dataSource.query(undo);
      const again = await http.post('/2factor/request-confirmation', { token: 'eve@example.com' });
      expect(again.status).toBe(200);
      await http.close();
    });
  },
);

it('docs/errors.md lists for each cause the answer, and whether a repeated call helps', async () => {
  const page = await readFile(
    fileURLToPath(new URL('../../../docs/errors.md', import.meta.url)),
    'utf8',
  );
  const rows = cellsOf(page).filter(([cause = '']) => cause in CAUSES);
  const documented = rows.map(([cause, answer, repeated]) => [cause, answer, repeated]);
  const tested = Object.entries(CAUSES).map(([cause, { outcome, isRepeatable }]) => [
    cause,
    outcome === 'none' ? 'as without it' : `${STATUS[outcome]} ${outcome}`,
    outcome === 'none' ? 'not needed' : isRepeatable ? 'yes' : 'no',
  ]);
  expect(documented).toEqual(tested);
});

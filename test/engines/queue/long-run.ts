// Half an hour of messages that are requested, claimed, sent and deleted, while the purge runs: the table of the queue must not
// grow, and its statements must not touch more pages. The server is one of its own, because the vacuum must run, and the servers of
// the other tests may run without it. Its output is in LONG-RUN.<server>.md beside it, when the command runs with
// QUEUE_RECORD=true.
import { appendFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DeliveryStore } from '../../../lib/delivery/queue/delivery.store.js';
import {
  functionalSenderBackend,
  SendFailure,
  TwoFactorRecipientError,
  TwoFactorService,
} from '../../../lib/index.js';
import type { TestDatabase } from '../../support/engines.js';
import { ownServers, type OwnEngine, type OwnServer } from '../../support/own-servers.js';
import { SILENT, startApp, type TestApp } from '../../support/test-app.js';
import { backlogOf } from './backlog.js';
import { costsOf, type TableCosts } from './table-costs.js';

const MINUTES = Number(process.env['QUEUE_MINUTES'] ?? 30);
const PER_SECOND = Number(process.env['QUEUE_RATE'] ?? 20);
const ONLY = process.env['QUEUE_ENGINE'];
const RECORDS = process.env['QUEUE_RECORD'] === 'true';
const MINUTE_MS = 60_000;
/** Rows of the naive twin, a queue that marks what it has sent instead of deleting it. */
const KEPT = 'kept_deliveries';

interface Sample extends TableCosts {
  readonly keptKb: number;
  readonly sent: number;
  readonly waiting: number;
  readonly failed: number;
  readonly confirmations: number;
  readonly claimMs: readonly number[];
}

const head = (engine: string): string => `# Half an hour of delivered messages on ${engine}

\`QUEUE_RECORD=true QUEUE_ENGINE=${engine} QUEUE_RATE=${PER_SECOND} npm run test:queue:long\`, Node ${process.version}, ${cpus().length} cores, which other tests used at the same
time. One instance takes ${PER_SECOND} requests a second and sends none, another one claims and sends them in rounds, one a second. The provider
refuses 1 % of the recipients and fails 5 % of its calls. Codes live for one minute, rows are kept for one more, and the purge runs
every 30 seconds. Sizes are in kilobytes, pages are those that PostgreSQL touches for one statement, and the last column is the size
of a table that keeps a row for each sent message.

| minute | sent | waiting | failed | confirmations | table | indexes | pages of the read | pages of a claim | claim, median ms | claim, 95 % ms | kept rows |
| ------ | ---- | ------- | ------ | ------------- | ----- | ------- | ----------------- | ---------------- | ---------------- | -------------- | --------- |
`;

/** The vacuum is on by default. It keeps little of its log, because it shares the disk with other tests. */
const SETTINGS: Readonly<Record<OwnEngine, readonly string[]>> = {
  postgres: ['-c', 'max_wal_size=128MB'],
  mariadb: [],
  mysql: [],
};

describe.each(ownServers.filter(({ engine }) => ONLY === undefined || engine === ONLY))(
  'Delivered messages on $engine',
  ({ engine, launch }) => {
    let server: OwnServer;
    let web: TestApp;
    let sending: TestApp;
    let sent = 0;
    let claimMs: number[] = [];

    beforeAll(async () => {
      server = await launch(SETTINGS[engine]);
      const database: TestDatabase = {
        engine,
        options: { type: engine, url: server.url, poolSize: 5 },
        drop: async () => undefined,
      };
      const start = (worker: false | { pollSeconds: number }): Promise<TestApp> =>
        startApp({
          database,
          dataSource: SILENT,
          options: {
            delivery: 'queued',
            worker,
            clock: { now: Date.now },
            codeGenerator: undefined,
            limits: false,
            ttlSeconds: 60,
            autoPurge: worker === false ? false : { everySeconds: 30, keepSeconds: 60 },
            senders: {
              default: {
                backend: functionalSenderBackend(async () => {
                  await sleep(10);
                  const fate = Math.random();
                  if (fate < 0.01) throw new TwoFactorRecipientError('There is no such number.');
                  if (fate < 0.06) throw new SendFailure('transient', 'The provider is busy.');
                  sent += 1;
                }),
              },
            },
          },
        });
      web = await start(false);
      sending = await start({ pollSeconds: 1 });
      const store = sending.app.get(DeliveryStore, { strict: false });
      const claim = store.claim.bind(store);
      store.claim = async (row) => {
        const begun = performance.now();
        const claimed = await claim(row);
        claimMs.push(performance.now() - begun);
        return claimed;
      };
      await web.dataSource.query(
        `CREATE TABLE ${KEPT} (confirmation varchar(36), number int, due_at bigint, sent_at bigint, PRIMARY KEY (confirmation, number))`,
      );
    });
    afterAll(async () => {
      await sending?.close();
      await web?.close();
      await server?.close();
    });

    const sample = async (): Promise<Sample> => {
      const { dataSource } = web;
      const { waiting, failed } = await backlogOf(dataSource);
      const [row] = await dataSource.query<{ n: string }[]>(
        'SELECT count(*) AS n FROM two_factor_confirmation',
      );
      const kept = await costsOf(dataSource, engine, KEPT);
      return {
        ...(await costsOf(dataSource, engine)),
        keptKb: kept.tableKb + kept.indexKb,
        sent,
        waiting,
        failed: failed.length,
        confirmations: Number(row!.n),
        claimMs: claimMs.toSorted((one, other) => one - other),
      };
    };

    it('leave a table that does not grow, and statements that cost no more', async () => {
      const results = fileURLToPath(new URL(`LONG-RUN.${engine}.md`, import.meta.url));
      if (RECORDS) await writeFile(results, head(engine));
      const service = web.app.get(TwoFactorService, { strict: false });
      const keep = `INSERT INTO ${KEPT} VALUES ${engine === 'postgres' ? '($1, 1, $2, $2)' : '(?, 1, ?, ?)'}`;
      const samples: Sample[] = [];
      const refused: unknown[] = [];
      let requested = 0;
      const request = async (index: number): Promise<void> => {
        const subject = `subject-${index}`;
        const { id } = await service.request({ token: `${subject}@example.com`, subject });
        const now = Date.now();
        await web.dataSource.query(keep, engine === 'postgres' ? [id, now] : [id, now, now]);
      };
      const begun = performance.now();
      for (let minute = 1; minute <= MINUTES; minute += 1) {
        while (performance.now() - begun < minute * MINUTE_MS) {
          const due = Math.floor(((performance.now() - begun) / 1_000) * PER_SECOND);
          for (; requested < due; requested += 1) {
            request(requested).catch((error: unknown) => refused.push(error));
          }
          await sleep(1_000 / PER_SECOND);
        }
        const taken = await sample();
        claimMs = [];
        samples.push(taken);
        const line = `| ${[minute, ...cellsOf(taken)].join(' | ')} |\n`;
        process.stdout.write(line);
        if (RECORDS) await appendFile(results, line);
      }
      const third = Math.floor(MINUTES / 3);
      const highest = (part: readonly Sample[], of: (each: Sample) => number): number =>
        Math.max(...part.map(of));
      const growth = (of: (each: Sample) => number): number =>
        highest(samples.slice(-third), of) / highest(samples.slice(0, third), of);
      const total = ({ tableKb, indexKb }: Sample): number => tableKb + indexKb;
      const summary = `Requested ${requested}, refused ${refused.length}, sent ${sent}. The last third of the minutes against the first one: table and indexes ${growth(total).toFixed(2)} times, the kept rows of the naive twin ${growth(({ keptKb }) => keptKb).toFixed(2)} times.\n`;
      process.stdout.write(summary);
      if (RECORDS) await appendFile(results, `\n${summary}`);

      expect(refused).toEqual([]);
      expect(sent).toBeGreaterThan(requested * 0.95);
      expect(growth(total)).toBeLessThan(1.5);
      if (engine === 'postgres') {
        expect(growth(({ dueBuffers }) => dueBuffers ?? 0)).toBeLessThan(2);
        expect(growth(({ claimBuffers }) => claimBuffers ?? 0)).toBeLessThan(2);
      }
      // The measurement sees growth where there is some.
      expect(growth(({ keptKb }) => keptKb)).toBeGreaterThan(2);
    });
  },
);

function cellsOf(sample: Sample): (number | string)[] {
  const { claimMs } = sample;
  const at = (part: number): string =>
    (claimMs[Math.floor(claimMs.length * part)] ?? Number.NaN).toFixed(1);
  return [
    sample.sent,
    sample.waiting,
    sample.failed,
    sample.confirmations,
    sample.tableKb,
    sample.indexKb,
    sample.dueBuffers ?? '',
    sample.claimBuffers ?? '',
    at(0.5),
    at(0.95),
    sample.keptKb,
  ];
}

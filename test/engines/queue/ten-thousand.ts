// Ten thousand messages while a provider fails 30 % of its calls at random and a process is killed every second. Its output is
// in RESULTS.md beside it, when the command runs with QUEUE_RECORD=true.
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { servers } from '../../support/engines.js';
import { SECRET, startApp, type TestApp } from '../../support/test-app.js';
import { backlogOf } from './backlog.js';
import { bundleWorker } from './bundle-worker.js';
import { storm } from './storm.js';

const RESULTS = fileURLToPath(new URL('RESULTS.md', import.meta.url));
const MESSAGES = Number(process.env['QUEUE_MESSAGES'] ?? 10_000);
/** Requests pause while so many messages wait, because codes expire where other work keeps the machine busy. */
const MOST_WAITING = 200;
const RECORDS = process.env['QUEUE_RECORD'] === 'true';
const HEAD = `# Ten thousand messages

\`QUEUE_RECORD=true npm run test:queue\`, Node ${process.version}, ${cpus().length} cores. The provider refuses 30 % of its calls at random, so that about 2.7 % of
the messages are refused three times and given up, and a process is killed with -9 every second while requests come in. A clock that
runs four times as fast lets leases and pauses end sooner, and a code lives for 150 seconds. A message whose code expires before
it is not sent, and counted apart; requests come in at a hundred a second, and pause while ${MOST_WAITING} messages wait. Lost is a message that did not arrive for no reason at all, and limited one that a limit refused until its code expired. A message that arrived twice is explained by
a process that was killed within five seconds of its call, or by a call that took too long. A request that a limit or a busy database
refused is repeated after its \`Retry-After\`, with its idempotency key: on MariaDB and MySQL a process that is killed between the charge
and the insert has used up one of the five messages of its recipient.

| server | messages | arrived | given up | expired | limited | lost | twice | twice unexplained | calls | refused | kills | requests refused | seconds |
| ------ | -------- | ------- | -------- | ------- | ------- | ---- | ----- | ----------------- | ----- | ------- | ----- | ---------------- | ------- |
`;

beforeAll(async () => {
  if (RECORDS) await writeFile(RESULTS, HEAD);
});

describe.each(servers)('Ten thousand messages on %s', (engine) => {
  let worker: string;
  let test: TestApp;

  beforeAll(async () => {
    worker = await bundleWorker();
    test = await startApp({
      engine,
      options: { delivery: 'queued', worker: false },
    });
  });
  afterAll(async () => {
    await test.close();
    await rm(dirname(worker), { recursive: true });
  });

  it('arrive, are given up after three refusals, or expire, and none is lost', async () => {
    const result = await storm({
      worker,
      database: test.database.options,
      secret: SECRET,
      messages: MESSAGES,
      workers: 6,
      replaces: true,
      overSeconds: MESSAGES / 100,
      behaviour: { fails: () => Math.random() < 0.3, latencyMs: () => 5 + Math.random() * 45 },
      backlog: (now, nextLookMs) => backlogOf(test.dataSource, now, nextLookMs),
      mostWaiting: MOST_WAITING,
      timeoutMs: 3_500_000,
    });
    const { arrived, givenUp, expired, refusedByLimits, lost, duplicates, unexplained } = result;
    const { calls, refusedCalls, kills, refusedRequests, seconds } = result;
    const cells = [
      MESSAGES,
      arrived,
      givenUp,
      expired,
      refusedByLimits,
      lost.length,
      duplicates,
      unexplained.length,
      calls,
      refusedCalls,
      kills,
      refusedRequests,
      seconds,
    ];
    const line = `| ${[engine, ...cells].join(' | ')} |\n`;
    process.stdout.write(line);
    if (RECORDS) await appendFile(RESULTS, line);

    expect(result).toMatchObject({ lost: [], unexplained: [] });
    expect(arrived + givenUp + expired).toBe(MESSAGES);
  });
});

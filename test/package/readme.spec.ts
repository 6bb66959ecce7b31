// The README's files are written out, type-checked as a reader's project would be, and run. Its table of options is compared
// with the options that there are, and its links must lead somewhere.
import { Logger, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import { twoFactorMigrations } from '../../lib/index.js';
import { isScalar, settableOptions } from '../support/settable-options.js';
import { complaintsOf, load, readPage, strayCodeOf, writePage } from '../support/snippets.js';
import { cellsOf } from '../support/tables.js';

/** A newcomer reads it to the end. */
const MAX_LINES = 250;

const page = await readPage('README.md');
const { text: readme, files } = page;

beforeAll(() => writePage(page));

describe("The README's TypeScript", () => {
  it('is all in named files', () => {
    expect(strayCodeOf(page)).toEqual([]);
    expect([...files.keys()]).toEqual(['app.module.ts', 'transfers.module.ts']);
  });

  it('compiles under strict and exactOptionalPropertyTypes', () => {
    expect(complaintsOf([page])).toEqual([]);
  }, 120_000);
});

describe('The README', () => {
  it(`has at most ${MAX_LINES} lines`, () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
  });

  it('names the command that runs the tests', () => {
    expect(readme).toContain('npm ci && npm test');
  });
});

describe('The README, run', () => {
  let app: INestApplication | undefined;
  let lines: string[];

  afterEach(async () => {
    await app?.close();
    app = undefined;
    vi.restoreAllMocks();
  });

  const post = (path: string, body: object) =>
    request(app!.getHttpServer() as string)
      .post(path)
      .send(body);

  /** Records the log from here on. */
  const listen = (): void => {
    lines = [];
    vi.spyOn(Logger.prototype, 'log').mockImplementation((line: unknown) => {
      lines.push(String(line));
    });
  };
  const lastCode = (): string =>
    /default to ann@example\.com: (\d{6}) is your code/.exec(lines.at(-1) ?? '')![1]!;

  it('app.module.ts sends a code to the log and confirms it', async () => {
    const { AppModule } = await load(page, 'app.module.ts');
    const module = await Test.createTestingModule({ imports: [AppModule!] }).compile();
    app = module.createNestApplication();
    await app.init();
    listen();

    const asked = await post('/2factor/request-confirmation', { token: 'ann@example.com' });
    expect(asked.body).toMatchObject({ attemptsLeft: 5, codeLength: 6 });
    expect((asked.body as { maskedToken: string }).maskedToken).toBe('a***@e***.com');
    const { id } = asked.body as { id: string };
    const code = lastCode();
    const spaced = `${code.slice(0, 3)} ${code.slice(3)}`;
    const confirmed = await post('/2factor/confirm', { id, code: spaced });

    expect(confirmed.body).toEqual({ id, confirmed: true });
  });

  it('transfers.module.ts runs the route once, for the approved details alone', async () => {
    const { TransfersModule } = await load(page, 'transfers.module.ts');
    const database = TypeOrmModule.forRoot({
      type: 'sqljs',
      autoLoadEntities: true,
      migrations: [...twoFactorMigrations],
      migrationsRun: true,
    });
    const imports = [database, TransfersModule!];
    app = (await Test.createTestingModule({ imports }).compile()).createNestApplication();
    app.use((call: { user?: object }, _: unknown, next: () => void) => {
      call.user = { id: 'ann', email: 'ann@example.com' };
      next();
    });
    await app.init();
    listen();
    const details = { amount: '10.00', payee: 'bob' };

    const asked = await post('/2factor/request-confirmation', { purpose: 'transfer', details });
    const { id } = asked.body as { id: string };
    const transfer = (body: object) => post('/transfers', body).set('X-Confirmation-Id', id);
    await transfer(details).expect(403);
    await post('/2factor/confirm', { id, code: lastCode() }).expect(200);

    await transfer({ ...details, amount: '10000.00' }).expect(403);
    await post('/transfers', details).expect(403);
    const done = await transfer(details).expect(201);
    expect(done.body).toEqual({ done: '10.00 to bob' });
    await transfer(details).expect(409);
  });
});

describe("The README's table of options", () => {
  const rows = cellsOf(readme);

  it('names every option', () => {
    const named = rows.map(([name]) => name);
    const options = settableOptions().map(([name]) => name);
    expect(named).toEqual(expect.arrayContaining([...options, 'secret', 'secrets', 'env']));
  });

  it('shows the default of every scalar option', () => {
    const scalars = settableOptions().filter(([, value]) => isScalar(value));
    const shown = scalars.map(([name]) => [name, rows.find((row) => row[0] === name)?.[1]]);
    expect(shown).toEqual(scalars.map(([name, value]) => [name, String(value)]));
  });
});

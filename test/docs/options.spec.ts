// The hand-written pages of options and errors name all that there are, with their defaults, and nothing else.
import { readFile } from 'node:fs/promises';

import type { DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { beforeAll, describe, expect, it } from 'vitest';

import { problem } from '../../lib/http/problem.js';
import * as publicApi from '../../lib/index.js';
import { isScalar, settableOptions } from '../support/settable-options.js';
import { load, readPage, writePage } from '../support/snippets.js';
import { cellsOf } from '../support/tables.js';

const page = await readPage('docs/options.md');
const errors = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');

beforeAll(() => writePage(page));

describe('Options', () => {
  it('can be made by a class with useClass', async () => {
    const { twoFactor } = await load<{ twoFactor: DynamicModule }>(page, 'options.ts');
    const module = await Test.createTestingModule({
      imports: [TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true }), twoFactor],
    }).compile();
    const app = module.createNestApplication();
    await app.init();

    expect(app.get<publicApi.SenderBackends>(publicApi.SENDER_BACKENDS).has('default')).toBe(true);
    await app.close();
  });

  it('has a row for every option, with the default of every scalar', () => {
    const rows = new Map(cellsOf(page.text).map(([name, ...rest]) => [name, rest]));
    for (const name of ['secret', 'secrets', 'env']) expect(rows.has(name), name).toBe(true);
    for (const [name, value] of settableOptions()) {
      expect(rows.has(name), name).toBe(true);
      if (isScalar(value)) expect(rows.get(name)?.[0], name).toBe(String(value));
    }
  });
});

describe('Errors', () => {
  // Of the first table: a class, which each of its lines names, because on a phone a line stands alone; or what the client sent.
  const rows = cellsOf(errors).filter(([name]) => /^(?:TwoFactor\w+|\(.*\))$/.test(name!));

  it('has a row for every error class, and for no other', () => {
    const classes = Object.keys(publicApi).filter(
      (name) => name.endsWith('Error') && name !== 'TwoFactorError',
    );
    const named = rows.map(([name]) => name!).filter((name) => /^TwoFactor\w+Error$/.test(name));
    expect([...new Set(named)].toSorted()).toEqual(classes.toSorted());
  });

  it('shows the HTTP status of every slug', () => {
    const slugs = rows.flatMap(([, codes, status]) =>
      /^[a-z][a-z-]*(, [a-z-]+)*$/.test(codes ?? '')
        ? codes!.split(', ').map((code) => [code, status] as const)
        : [],
    );
    expect(slugs.length).toBe(28);
    for (const [code, status] of slugs) {
      expect(status?.endsWith(String(problem(code).status)), code).toBe(true);
    }
  });
});

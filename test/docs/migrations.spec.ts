import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DataSource } from 'typeorm';

import { ConfirmerService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/migrations.md');
let guide: Guide | undefined;

beforeAll(() => writePage(page));
afterEach(() => guide?.close());

describe('Migrations', () => {
  it('run apart from the application', async () => {
    const { migrate } = await load<{ migrate: () => Promise<string[]> }>(page, 'migrate.ts');

    expect(await migrate()).toEqual([
      'CreateTwoFactorConfirmation1763769600000',
      'CreateTwoFactorLimit1795392000000',
      'CreateTwoFactorFactor1795478400000',
      'CreateTwoFactorDelivery1795564800000',
    ]);
  });

  it('run with the application, under its prefix', async () => {
    guide = await startGuide(page);
    const state = await guide.app.get(ConfirmerService).makeConfirmation();

    const rows: unknown = await guide.app
      .get(DataSource)
      .query('SELECT id FROM bank_two_factor_confirmation');
    expect(rows).toEqual([{ id: state.id }]);
  });
});

import type { Type } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmerService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/several-data-sources.md');
let guide: Guide;

beforeAll(() => writePage(page));
afterEach(() => guide.close());

const tables = async (name?: string): Promise<unknown[]> =>
  guide.app
    .get<DataSource>(getDataSourceToken(name), { strict: false })
    .query("SELECT name FROM sqlite_master WHERE name LIKE 'two_factor%' ORDER BY name");

describe('Several data sources', () => {
  it('confirmations are in the data source that was named', async () => {
    guide = await startGuide(page, { file: 'proofs.module.ts', module: 'ProofsModule' });
    const state = await guide.app.get(ConfirmerService).makeConfirmation();

    expect((await guide.app.get(ConfirmerService).check(state.id))[0]?.id).toBe(state.id);
    expect(await tables('proofs')).toHaveLength(4);
    expect(await tables()).toEqual([]);
  });

  it('two instances share no state', async () => {
    guide = await startGuide(page);
    const asked = await guide.post('/eu/2factor/request-confirmation', {
      token: 'ann@example.com',
    });
    const { id } = asked.body as { id: string };
    await guide.post('/us/2factor/confirm', { id, code: guide.lastCode() }).expect(404);
    await guide.post('/eu/2factor/confirm', { id, code: guide.lastCode() }).expect(200);

    const { EuModule, UsModule, Region } = await load<
      Record<'EuModule' | 'UsModule', Type<object>> & {
        Region: Type<{ confirmer: ConfirmerService }>;
      }
    >(page, 'app.module.ts');
    const confirmerOf = (module: Type<object>) =>
      guide.app.select(module).get(Region, { strict: true }).confirmer;
    expect(await confirmerOf(UsModule).use(id)).toBe(false);
    expect(await confirmerOf(EuModule).use(id)).toBe(true);
  });
});

import type { Type } from '@nestjs/common';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmerService, TwoFactorService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/events.md');
let guide: Guide;

beforeAll(() => writePage(page));
afterEach(() => guide.close());

describe('Events', () => {
  it('reach subscribers and decorated listeners when a proof is confirmed, used and used again', async () => {
    guide = await startGuide(page);
    const { Alarm } = await load<{ Alarm: Type<{ raised: string[] }> }>(page, 'alarm.ts');
    const { Audit } = await load<{ Audit: Type<{ lines: string[]; types: string[] }> }>(
      page,
      'audit.ts',
    );
    const confirmer = guide.app.get(ConfirmerService);
    const { id } = await guide.app.get(TwoFactorService).request({ token: 'ann@example.com' });

    await confirmer.confirm(id, guide.lastCode());
    await confirmer.use(id);
    expect(await confirmer.use(id)).toBe(false);

    expect(guide.app.get(Alarm).raised).toEqual(['reuse-refused']);
    expect(guide.app.get(Audit).lines).toEqual([
      'a***@e***.com was confirmed by code, at attempt 1',
      expect.stringMatching(new RegExp(`^${id.slice(0, 14)}\\W+ was used$`)),
    ]);
    expect(guide.app.get(Audit).types).toEqual([
      'created',
      'sent',
      'confirmed',
      'used',
      'reuse-refused',
    ]);
  });
});

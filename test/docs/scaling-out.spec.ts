import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ConfirmerService, SenderService } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/scaling-out.md');
let guide: Guide | undefined;

beforeAll(() => writePage(page));
afterEach(async () => {
  await guide?.close();
  guide = undefined;
});

describe('Scaling out', () => {
  it('a job purges ended confirmations, and exits', async () => {
    const { purge } = await load<{ purge: (signal: AbortSignal) => Promise<number> }>(
      page,
      'nightly.ts',
    );
    expect(await purge(new AbortController().signal)).toBe(0);
  });

  it('a worker sends by the id alone', async () => {
    guide = await startGuide(page);
    const { id } = await guide.app.get(ConfirmerService).makeConfirmation();

    await guide.app.get(SenderService).send('default', 'ann@example.com', id);

    const [, confirmed] = await guide.app.get(ConfirmerService).confirm(id, guide.lastCode());
    expect(confirmed).toBe(true);
  });
});

import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

interface TenantMailBackend {
  readonly outbox: readonly { from: string; to: string }[];
}

const page = await readPage('docs/guides/several-tenants.md');
const user = { id: 'ann', tenant: 'acme', email: 'ann@example.com' };
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page, { user });
});
afterEach(async () => {
  await guide.close();
  user.tenant = 'acme';
});

describe('Several tenants', () => {
  it('keeps users of one id apart, and sends in the name of each tenant', async () => {
    const ask = () => guide.post('/2factor/request-confirmation', { purpose: 'payout' });
    const { id } = (await ask().expect(200)).body as { id: string };
    const code = guide.lastCode();

    user.tenant = 'zeta';
    await ask().expect(200);
    const { status } = await guide.post('/2factor/confirm', { id, code });
    expect(status).toBe(404);
    user.tenant = 'acme';
    await guide.post('/2factor/confirm', { id, code }).expect(200);
    user.tenant = 'zeta';
    await guide.post('/payouts').set('x-confirmation-id', id).expect(403);
    user.tenant = 'acme';
    await guide.post('/payouts').set('x-confirmation-id', id).expect(201, { done: true });

    const { TenantMailBackend } = await load<{ TenantMailBackend: new () => TenantMailBackend }>(
      page,
      'tenant-mail.backend.ts',
    );
    expect(guide.app.get(TenantMailBackend).outbox.map(({ from }) => from)).toEqual([
      'no-reply@acme.example',
      'no-reply@zeta.example',
    ]);
  });
});

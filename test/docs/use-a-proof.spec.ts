import type request from 'supertest';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { FactorService } from '../../lib/index.js';
import { enrolledApp, totpCode } from '../../lib/testing/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { listen } from '../support/listen.js';
import { load, readPage, writePage } from '../support/snippets.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

const page = await readPage('docs/guides/use-a-proof.md');
const DETAILS = { amount: '10.00', item: 'book' };
const ORDER = { ...DETAILS, note: 'as a gift' };
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page, { user: { id: 'ann', phone: '+14155550123' } });
});
afterEach(async () => {
  vi.useRealTimers();
  await guide.close();
});

async function asked(): Promise<string> {
  const body = { purpose: 'order', details: DETAILS };
  const answer = await guide.post('/2factor/request-confirmation', body).expect(200);
  return (answer.body as { id: string }).id;
}

async function approved(): Promise<string> {
  const id = await asked();
  await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
  return id;
}

const order = (id: string, body: object): request.Test =>
  guide.post('/orders', body).set('X-Confirmation-Id', id);

describe('Use a proof', () => {
  it('takes an order whose amount and item were approved, with a note that was not', async () => {
    const id = await approved();
    await order(id, { ...ORDER, amount: '11.00' }).expect(403);
    await order(id, { note: 'nothing else' }).expect(400);
    const { body } = await order(id, ORDER).expect(201);
    expect(body).toEqual({ ordered: 'book for 10.00, as a gift' });
    await order(id, ORDER).expect(409);
  });

  it('asks for the app only of a person who has one', async () => {
    await guide.close();
    guide = await startGuide(page, {
      file: 'exports.ts',
      module: 'ExportsModule',
      user: { id: 'ann' },
    });
    const exported = { exported: true };
    await guide.post('/exports').expect(201, exported);
    const body = { purpose: 'export' };
    const none = await guide.post('/2factor/request-confirmation', body).expect(403);
    expect(none.body).toMatchObject({ error: 'no-method' });

    const { secret } = await enrolledApp(guide.app.get(FactorService), {
      subject: 'ann',
      clock: { now: () => Date.now() },
    });
    const refused = await guide.post('/exports').expect(403);
    expect(refused.body).toMatchObject({ error: 'confirmation-required' });
    const asked = await guide.post('/2factor/request-confirmation', body).expect(200);
    const { id } = asked.body as { id: string };
    const proved = () => guide.post('/exports').set('X-Confirmation-Id', id);
    await proved().expect(403);
    const code = totpCode(secret, { now: () => Date.now() + 30_000 });
    await guide.post('/2factor/confirm', { id, method: 'totp', code }).expect(200);
    await proved().expect(201, exported);
    await proved().expect(403);
  });

  it('words a 403 by the state of the confirmation', async () => {
    const { proofRefusal } = await load<{
      proofRefusal: (client: object, id?: string) => Promise<string>;
    }>(page, 'proof-refusal.ts');
    // By a name that the compiler does not follow: this program has no types of the browser.
    const module: string = '../../lib/client/index.ts';
    const { createTwoFactorClient } = (await import(
      /* @vite-ignore */ new URL(module, import.meta.url).href
    )) as { createTwoFactorClient: (settings: { url: string }) => object };
    const client = createTwoFactorClient({ url: `${await listen(guide.app)}/2factor` });
    const sentence = (id?: string): Promise<string> => proofRefusal(client, id);

    expect(await sentence()).toBe('Please ask for a code first.');
    expect(await sentence(UNKNOWN_ID)).toBe('Please ask for a new code.');
    const id = await asked();
    await order(id, ORDER).expect(403);
    expect(await sentence(id)).toBe('Please type the code first.');
    await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
    await order(id, { ...ORDER, amount: '11.00' }).expect(403);
    expect(await sentence(id)).toBe(
      'You have approved something else. Please ask for a code for this.',
    );
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 300_000 });
    await order(id, ORDER).expect(403);
    expect(await sentence(id)).toBe('Your approval is too old. Please ask for a new code.');
  });
});

// The section of docs/errors.md that words problems on the server: the code of the page, on the bundled routes and on a guarded one.
import { ConsoleLogger } from '@nestjs/common';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { WRONG_CODE } from '../support/canaries.js';
import { startGuide, type Guide } from '../support/guide.js';
import { readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/errors.md');
const REQUEST = '/2factor/request-confirmation';
const PROBLEM = /^application\/problem\+json/;
let guide: Guide | undefined;

beforeAll(() => writePage(page));
beforeEach(() => {
  vi.spyOn(ConsoleLogger.prototype, 'error').mockReturnValue(undefined);
});
afterEach(async () => {
  await guide?.close();
  guide = undefined;
  vi.restoreAllMocks();
});

describe('Problems that are worded on the server', () => {
  it('have the sentence for people on the bundled routes and on a guarded one', async () => {
    guide = await startGuide(page, { user: { id: 'ann' } });
    const { body: asked } = await guide.post(REQUEST, { purpose: 'payment' }).expect(200);
    const { id } = asked as { id: string };

    const wrong = await guide.post('/2factor/confirm', { id, code: WRONG_CODE }).expect(422);
    expect(wrong.headers['content-type']).toMatch(PROBLEM);
    expect(wrong.body).toMatchObject({
      error: 'code-mismatch',
      title: 'This code is wrong.',
      attemptsLeft: 4,
    });
    const refused = await guide.post('/payments').set('X-Confirmation-Id', id).expect(403);
    expect(refused.headers['content-type']).toMatch(PROBLEM);
    expect(refused.body).toMatchObject({
      error: 'confirmation-required',
      title: 'Please confirm by a code first.',
    });
    await guide.post('/2factor/confirm', { id, code: guide.lastCode() }).expect(200);
    await guide.post('/payments').set('X-Confirmation-Id', id).expect(201, { paid: true });
  });

  it('have the sentence in the language that the browser asks for, on both kinds of routes', async () => {
    guide = await startGuide(page);
    const signIn = { title: 'Bitte melden Sie sich zuerst an.' };
    for (const path of [REQUEST, '/payments']) {
      const call = guide.post(path, { purpose: 'payment' }).set('Accept-Language', 'de-AT,en');
      expect((await call.expect(403)).body).toMatchObject(signIn);
    }
  });

  it('have the sentence for a call without a sign-in, and keep the title of what a guard refuses', async () => {
    guide = await startGuide(page);
    const { body } = await guide.post(REQUEST, { purpose: 'payment' }).expect(403);
    expect(body).toMatchObject({ error: 'no-subject', title: 'Please sign in first.' });
    const form = await guide.post(REQUEST).type('form').send('purpose=payment').expect(415);
    expect(form.body).toMatchObject({ error: 'unsupported-media-type' });
  });
});

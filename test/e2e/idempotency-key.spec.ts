import { randomUUID } from 'node:crypto';

import type { ExecutionContext } from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { header } from './controller-fixtures.js';

class TransferDetails {
  @IsString()
  @MaxLength(12)
  amount!: string;
}

const user = (context: ExecutionContext): string | undefined => header(context, 'x-user');
const DETAIL = expect.stringContaining('An Idempotency-Key is one text of 16 to 128') as string;

describe.each(adapters)('The header Idempotency-Key over $name', ({ create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startHttpApp({
      adapter: create(),
      options: {
        controller: true,
        // One person asks more often here than the default limits allow.
        limits: false,
        senders: {
          default: { backend: () => (delivery) => app.inbox.send(delivery) },
          email: { backend: () => (delivery) => app.inbox.send(delivery) },
        },
        purposes: {
          '': { open: true },
          other: { open: true },
          transfer: {
            subject: user,
            recipient: (context, way) => `${user(context)}-${way}@example.com`,
            details: TransferDetails,
          },
        },
      },
    });
  });
  afterAll(() => app?.close());

  const ask = (body: object, key: string, as?: string): Promise<Answer> =>
    app.post('/2factor/request-confirmation', body, {
      'idempotency-key': key,
      ...(as === undefined ? {} : { 'x-user': as }),
    });
  const idOf = ({ body }: Answer): string => (body as { id: string }).id;

  it.each([
    ['a UUID in quotation marks', `"${randomUUID()}"`],
    ['a UUID without them', randomUUID()],
    ['sixteen characters', '"0123456789abcdef"'],
    ['128 characters', `"${'a1-_.~!$%&()*+/:'.repeat(8)}"`],
  ])('takes %s', async (_, key) => {
    const sent = app.inbox.deliveries.length;
    const body = { token: 'ann@example.com' };
    const first = await ask(body, key);
    expect(first.status).toBe(200);
    expect((await ask(body, key)).body).toStrictEqual(first.body);
    expect(app.inbox.deliveries.length - sent).toBe(1);
  });

  it('counts the seconds of a repeat from the repeat on', async () => {
    const key = randomUUID();
    const first = await ask({ token: 'ann@example.com' }, key);
    expect(first.body).toMatchObject({ expiresIn: 600, resendIn: 30 });
    app.clock.advance(10);

    expect((await ask({ token: 'ann@example.com' }, key)).body).toStrictEqual({
      ...(first.body as object),
      expiresIn: 590,
      resendIn: 20,
    });
  });

  it.each([
    ['fifteen characters', '"0123456789abcde"'],
    ['nothing', ''],
    ['two quotation marks', '""'],
    ['129 characters', 'k'.repeat(129)],
    ['10,000 characters', 'k'.repeat(10_000)],
    ['a blank', '"0123456789 abcdef"'],
    ['an open quotation mark', '"0123456789abcdef'],
    ['an escaped quotation mark', String.raw`"0123456789\"abcdef"`],
    ['a parameter', '"0123456789abcdef";a=1'],
    ['two keys', '"0123456789abcdef", "fedcba9876543210"'],
    ['other letters', '"0123456789abcdé"'],
  ])('refuses %s with an error that names the allowed form', async (_, key) => {
    const sent = app.inbox.deliveries.length;
    const refused = await ask({ token: 'ann@example.com' }, key);
    expect(refused).toBeProblem(400, 'invalid-request', { detail: DETAIL });
    const { id } = await app.request();
    app.clock.advance(31);
    const resent = await app.post('/2factor/resend', { id }, { 'idempotency-key': key });
    expect(resent).toBeProblem(400, 'invalid-request', { detail: DETAIL });
    expect(app.inbox.deliveries.length - sent).toBe(1);
  });

  it.each([
    ['another token', { token: 'ann@example.com' }, { token: 'eve@example.com' }, undefined],
    [
      'another sender',
      { token: 'ann@example.com', way: 'default' },
      { token: 'ann@example.com', way: 'email' },
      undefined,
    ],
    [
      'another amount',
      { purpose: 'transfer', details: { amount: '10.00' } },
      { purpose: 'transfer', details: { amount: '1000.00' } },
      'ann',
    ],
  ])('refuses a key that was used for %s', async (_, first, second, as) => {
    const key = randomUUID();
    expect((await ask(first, key, as)).status).toBe(200);
    const sent = app.inbox.deliveries.length;
    const refused = await ask(second, key, as);
    expect(refused).toBeProblem(422, 'idempotency-key-reused');
    expect(app.inbox.deliveries).toHaveLength(sent);
    // Also after the code was confirmed.
    const id = idOf(await ask(first, key, as));
    const body = { id, code: app.inbox.lastCode };
    await app.post('/2factor/confirm', body, as === undefined ? {} : { 'x-user': as });
    expect(await ask(second, key, as)).toBeProblem(422, 'idempotency-key-reused');
  });

  it('gives another user with the same key a confirmation of their own', async () => {
    const key = randomUUID();
    const body = { purpose: 'transfer', details: { amount: '10.00' } };
    const ann = idOf(await ask(body, key, 'ann'));
    const eve = idOf(await ask(body, key, 'eve'));
    expect(eve).not.toBe(ann);
    expect(app.inbox.deliveries.at(-1)?.token).toBe('eve-default@example.com');
    const code = app.inbox.lastCode;
    const taken = await app.post('/2factor/confirm', { id: ann, code }, { 'x-user': 'eve' });
    expect(taken).toBeProblem(404, 'not-found');
  });

  it('discloses nothing to a client without a session that repeats the key of a signed-in user', async () => {
    const key = randomUUID();
    const body = { purpose: 'transfer', details: { amount: '10.00' } };
    const ann = await ask(body, key, 'ann');
    const stranger = await ask(body, key);
    expect(stranger).toBeProblem(403, 'no-subject');
    expect(stranger.text).not.toContain(idOf(ann));
  });

  it('takes a key for another purpose as another request', async () => {
    const key = randomUUID();
    const plain = idOf(await ask({ token: 'ann@example.com' }, key));
    const other = idOf(await ask({ token: 'ann@example.com', purpose: 'other' }, key));
    expect(other).not.toBe(plain);
  });

  it('repeats no message after one that failed, and names the confirmation to resend', async () => {
    const key = randomUUID();
    app.inbox.failNext(new Error('The provider is down.'));
    const failed = await ask({ token: 'ann@example.com' }, key);
    expect(failed.status).toBe(503);
    const sent = app.inbox.deliveries.length;
    const repeated = await ask({ token: 'ann@example.com' }, key);
    expect(idOf(repeated)).toBe(idOf(failed));
    expect(app.inbox.deliveries).toHaveLength(sent);
    app.clock.advance(31);
    expect((await app.post('/2factor/resend', { id: idOf(failed) })).status).toBe(200);
    expect(app.inbox.deliveries).toHaveLength(sent + 1);
  });
});

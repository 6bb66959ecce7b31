// What docs/errors.md says of problems beyond its table: when they have a `detail`, and what a 429 of each route is about.
import { Controller, Post } from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { RequireConfirmation } from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

const TOKEN = '+14155550123';
const DETAILS = { payee: 'Bob' };

class TransferDetails {
  @IsString()
  @MaxLength(70)
  payee!: string;
}

@Controller('transfers')
class TransfersController {
  @Post()
  @RequireConfirmation('transfer')
  transfer(): string {
    return 'done';
  }
}

let test: HttpTestApp;

beforeAll(async () => {
  test = await startHttpApp({
    options: {
      controller: true,
      purposes: {
        signup: { open: true, senders: ['default'] },
        transfer: {
          subject: () => 'ann',
          recipient: () => 'ann@example.com',
          details: TransferDetails,
        },
      },
    },
    controllers: [TransfersController],
  });
});
afterAll(() => test?.close());

const detailOf = ({ body }: Answer): unknown => (body as { detail?: unknown }).detail;
const request = (body: object, headers = {}): Promise<Answer> =>
  test.post('/2factor/request-confirmation', body, headers);
const confirm = (body: object): Promise<Answer> => test.post('/2factor/confirm', body);
const transfer = (id: string): Promise<Answer> =>
  test.post('/transfers', DETAILS, { 'x-confirmation-id': id });

/** The rows of the table, in their order, and the sentence after it. */
const WITH_DETAIL: readonly (readonly [what: string, call: () => Promise<Answer>])[] = [
  ['no purpose', () => request({ token: TOKEN })],
  ['no token', () => request({ purpose: 'signup' })],
  ['no code', () => confirm({ id: 'x' })],
  ['other details', () => request({ purpose: 'transfer', details: { amount: 1 } })],
  ['a foreign way', () => request({ purpose: 'signup', token: TOKEN, way: 'pigeon' })],
  ['a token with a line break', () => request({ purpose: 'signup', token: 'ann\n@example.com' })],
  [
    'a malformed key',
    () => request({ purpose: 'transfer', details: DETAILS }, { 'idempotency-key': 'k' }),
  ],
];
const WITHOUT_DETAIL: typeof WITH_DETAIL = [
  ['an unknown purpose', () => request({ purpose: 'transfr', token: TOKEN })],
  ['a code that is a number', () => confirm({ id: 'x', code: 123456 })],
  ['a malformed id of a proof', () => transfer('x')],
];

describe('The detail of a problem', () => {
  it.each(WITH_DETAIL)('is there, outside of development too, for %s', async (_, call) => {
    const answer = await call();
    expect(answer.status).toBe(400);
    expect(detailOf(answer)).toMatch(/^[A-Z].+\.$/);
  });

  it.each(WITHOUT_DETAIL)('is there only in development for %s', async (_, call) => {
    const answer = await call();
    expect(answer.status).toBe(400);
    expect(detailOf(answer)).toBeUndefined();
    vi.stubEnv('NODE_ENV', 'development');
    const again = await call();
    vi.unstubAllEnvs();
    expect(detailOf(again)).toMatch(/^[A-Z].+\.$/);
  });

  it('says of a code with other characters what it may have', async () => {
    const { id } = await test.request({ purpose: 'transfer', details: DETAILS });
    expect(detailOf(await confirm({ id, code: '12345é' }))).toMatch(/^[A-Z].+\.$/);
  });
});

describe('A 429', () => {
  it('is the wait between two messages for resend, and the lock after wrong codes for confirm and request-confirmation', async () => {
    const { id } = await test.request({ purpose: 'signup', token: TOKEN });
    const again = await test.post('/2factor/resend', { id });
    expect(again).toBeProblem(429, 'too-many-requests', { retryAfter: 30 });

    const second = await test.request({ purpose: 'signup', token: TOKEN });
    const third = await test.request({ purpose: 'signup', token: TOKEN });
    for (const confirmation of [id, second.id]) {
      for (let tries = 0; tries < 5; tries += 1) {
        const answer = await confirm({ id: confirmation, code: WRONG_CODE });
        expect(answer).toMatchObject({ status: 422, body: { error: 'code-mismatch' } });
      }
    }
    // The client has named the number, so that the half minute of the lock is reported as five minutes.
    const locked = { retryAfter: 300 };
    const right = await confirm({ id: third.id, code: third.code });
    expect(right).toBeProblem(429, 'too-many-requests', locked);
    const next = await request({ purpose: 'signup', token: TOKEN });
    expect(next).toBeProblem(429, 'too-many-requests', locked);
  });
});

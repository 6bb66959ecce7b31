// The receiver of a webhook must deliver a code that we sent, and nothing that another has made, changed or copied.
import { randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { verifyWebhook, type VerifyWebhookInput } from '../../../lib/backends/webhook/index.js';
import { signatureOf } from '../../../lib/backends/webhook/signature.js';
import { SendFailure, TwoFactorInputError } from '../../../lib/index.js';

const drawKey = (): string => `whsec_${randomBytes(32).toString('base64')}`;
const bytesOf = (key: string): Buffer => Buffer.from(key.slice('whsec_'.length), 'base64');
const KEY = drawKey();
const NOW = 1_700_000_000_000;
const BODY = JSON.stringify({ token: '+12005550123', code: 'not-a-code', sender: 'sms' });

interface Signed extends VerifyWebhookInput {
  readonly headers: Readonly<Record<string, string>>;
}

function signed(key = KEY, body = BODY, at = NOW): Signed {
  const timestamp = String(Math.floor(at / 1_000));
  return {
    headers: {
      'webhook-id': 'message-1',
      'webhook-timestamp': timestamp,
      'webhook-signature': signatureOf(bytesOf(key), 'message-1', timestamp, body),
    },
    body,
    keys: [KEY],
    now: NOW,
  };
}

describe('verifyWebhook', () => {
  it.each([
    ['a text', BODY],
    ['bytes', Buffer.from(BODY)],
  ])('answers a message whose body is %s, with its idempotency key', (_, body) => {
    expect(verifyWebhook({ ...signed(), body })).toEqual({
      token: '+12005550123',
      code: 'not-a-code',
      sender: 'sms',
      idempotencyKey: 'message-1',
    });
  });

  it('reads the headers of fetch, and one of several signatures and keys', () => {
    const { headers } = signed();
    const signature = `v1,${'A'.repeat(43)}= ${headers['webhook-signature']!}`;
    const renewed = { ...headers, 'webhook-signature': signature };

    expect(verifyWebhook({ ...signed(), headers: new Headers(renewed) })).not.toBeNull();
    expect(verifyWebhook({ ...signed(), keys: [drawKey(), KEY] })).not.toBeNull();
  });

  it.each([
    ['another key', signed(drawKey())],
    ['a changed body', { ...signed(), body: `${BODY} ` }],
    ['a changed id', { ...signed(), headers: { ...signed().headers, 'webhook-id': 'other' } }],
    [
      'a changed time',
      { ...signed(), headers: { ...signed().headers, 'webhook-timestamp': '1700000001' } },
    ],
    [
      'a time that is none',
      { ...signed(), headers: { ...signed().headers, 'webhook-timestamp': '1e9' } },
    ],
    ['no headers', { ...signed(), headers: {} }],
    [
      'two values of a header',
      { ...signed(), headers: { ...signed().headers, 'webhook-signature': ['a', 'b'] } },
    ],
    ['a time long ago', signed(KEY, BODY, NOW - 301_000)],
    ['a time in the future', signed(KEY, BODY, NOW + 301_000)],
    ['a tolerance that is none', { ...signed(), toleranceSeconds: Number.NaN }],
    ['a body that is no JSON', signed(KEY, 'code=1')],
  ])('answers null for %s', (_, input) => {
    expect(verifyWebhook(input)).toBeNull();
  });

  it('takes a request within the tolerance', () => {
    expect(verifyWebhook(signed(KEY, BODY, NOW - 300_000))).not.toBeNull();
    expect(verifyWebhook({ ...signed(KEY, BODY, NOW - 60_000), toleranceSeconds: 59 })).toBeNull();
  });

  it.each([
    ['no key', []],
    ['a short key', ['whsec_YWJj']],
    ['a key of one character', [`whsec_${Buffer.alloc(32).toString('base64')}`]],
    ['a text without the prefix', [randomBytes(32).toString('base64')]],
  ])('refuses %s by a sentence that says how to draw one', (_, keys) => {
    expect(() => verifyWebhook({ ...signed(), keys })).toThrow(TwoFactorInputError);
    expect(() => verifyWebhook({ ...signed(), keys })).toThrow('openssl rand -base64 32');
  });
});

describe('SendFailure', () => {
  it('has safe defaults for what the backend did not say', () => {
    expect(new SendFailure('transient', 'The gateway is down.')).toMatchObject({
      name: 'SendFailure',
      kind: 'transient',
      message: 'The gateway is down.',
      retryAfterSeconds: null,
      mayHaveArrived: false,
      concernsAll: false,
    });
  });

  it('keeps its cause, and what the backend said', () => {
    const cause = new Error('429');
    const told = { retryAfterSeconds: 30, mayHaveArrived: true, concernsAll: true, cause };

    expect(new SendFailure('rate-limited', 'Busy.', told)).toMatchObject(told);
  });

  it('takes a wait of more than a day for a day, and calls no provider before that it has asked not to call', () => {
    const waits = [86_400, 86_401, 1e12].map(
      (retryAfterSeconds) =>
        new SendFailure('rate-limited', 'Busy.', { retryAfterSeconds }).retryAfterSeconds,
    );

    expect(waits).toEqual([86_400, 86_400, 86_400]);
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'takes a wait of %s for none, because the message would be kept for good',
    (retryAfterSeconds) => {
      const failure = new SendFailure('rate-limited', 'Busy.', { retryAfterSeconds });

      expect(failure.retryAfterSeconds).toBeNull();
    },
  );
});

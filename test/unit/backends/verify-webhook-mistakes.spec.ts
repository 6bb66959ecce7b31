// The receiver of webhooks is open to anybody: what is not signed is refused, and a mistake of the application is named.
import { createHmac, randomBytes } from 'node:crypto';

import { describe, expect, it } from 'vitest';

import { verifyWebhook } from '../../../lib/backends/webhook/index.js';
import { TwoFactorInputError } from '../../../lib/index.js';

const SECRET = randomBytes(32);
const KEY = `whsec_${SECRET.toString('base64')}`;
const NOW = 1_800_000_000_000;

function signed(body: string, at = NOW): Record<string, string> {
  const timestamp = String(at / 1_000);
  const mac = createHmac('sha256', SECRET).update(`id-1.${timestamp}.${body}`).digest('base64');
  return {
    'webhook-id': 'id-1',
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${mac}`,
  };
}

const BODY = JSON.stringify({ token: 'ann', code: 'any' });
const verify = (more: object): unknown =>
  verifyWebhook({ headers: signed(BODY), body: BODY, keys: [KEY], now: NOW, ...more });

describe('verifyWebhook', () => {
  it.each([
    ['without a body', { body: undefined }],
    ['with an empty body', { body: '' }],
  ])('returns null for a request %s', (_, more) => {
    expect(verify({})).not.toBeNull();
    expect(verify(more)).toBeNull();
  });

  it.each([
    ['a body that a parser has read', { body: { token: 'ann' } }],
    ['no headers', { headers: undefined }],
    ['no keys', { keys: undefined }],
    ['a key alone', { keys: KEY }],
    ['an empty list of keys', { keys: [] }],
    ['a key that can be guessed', { keys: [`whsec_${Buffer.alloc(32).toString('base64')}`] }],
  ])('refuses %s as a mistake of the application', (_, more) => {
    expect(() => verify(more)).toThrow(TwoFactorInputError);
  });
});

import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { sampleDelivery } from '../../../lib/testing/sample-delivery.js';
import { Outbox } from '../../../lib/testing/index.js';

const [ANN, BOB] = ['ann@example.com', '+15555550123'];

function put(outbox: Outbox, token: string): string {
  const delivery = sampleDelivery(token, undefined);
  outbox.send(delivery);
  return delivery.code;
}

describe('an outbox', () => {
  it('knows the newest code of each token, and of all', () => {
    const outbox = new Outbox();
    const [, second, bobs] = [put(outbox, ANN), put(outbox, ANN), put(outbox, BOB)];
    expect(outbox.lastCode(ANN)).toBe(second);
    expect(outbox.lastCode(BOB)).toBe(bobs);
    expect(outbox.lastCode()).toBe(bobs);
  });

  it('keeps the messages in their order, by token and in all', () => {
    const outbox = new Outbox();
    const codes = [put(outbox, ANN), put(outbox, BOB), put(outbox, ANN)];
    expect(outbox.messages.map(({ code }) => code)).toEqual(codes);
    expect(outbox.to(ANN).map(({ code }) => code)).toEqual([codes[0], codes[2]]);
    expect(outbox.to('eve@example.com')).toEqual([]);
    expect(outbox.messages[1]).toEqual({
      id: expect.stringMatching(/^[0-9a-v]{36}$/) as unknown,
      token: BOB,
      code: codes[1],
      way: 'sample',
      purpose: 'login',
      subject: 'ann',
      details: null,
      context: { locale: 'en' },
      expiresInSeconds: 600,
    });
  });

  it('says to whom it has messages when there is no code, and names nobody in full', () => {
    const outbox = new Outbox();
    expect(() => outbox.lastCode()).toThrow(
      'Nothing was sent. In the outbox are messages to: (nobody).',
    );
    put(outbox, BOB);
    put(outbox, BOB);
    expect(() => outbox.lastCode(ANN)).toThrow(
      'Nothing was sent to a***@e***.com. In the outbox are messages to: ***23.',
    );
  });

  it('forgets all when it is cleared', () => {
    const outbox = new Outbox();
    put(outbox, ANN);
    outbox.failNext();
    outbox.clear();
    expect(outbox.messages).toEqual([]);
    put(outbox, ANN);
    expect(outbox.messages).toHaveLength(1);
  });

  it('keeps the newest messages, and no more than it may', () => {
    const outbox = new Outbox({ max: 3 });
    const codes = Array.from({ length: 5 }, () => put(outbox, ANN));
    expect(outbox.messages.map(({ code }) => code)).toEqual(codes.slice(2));
    const byDefault = new Outbox();
    for (let n = 0; n < 1_001; n += 1) put(byDefault, ANN);
    expect(byDefault.messages).toHaveLength(1_000);
  });

  it('fails as often as it is told to, with what it is told, and keeps none of it', () => {
    const outbox = new Outbox();
    const refused = new Error('refused');
    outbox.failNext(refused);
    outbox.failNext();
    expect(() => put(outbox, ANN)).toThrow(refused);
    expect(() => put(outbox, ANN)).toThrow('The provider did not answer.');
    put(outbox, ANN);
    expect(outbox.messages).toHaveLength(1);
  });

  it('hands out copies: what a test does to a list does nothing to the outbox', () => {
    const outbox = new Outbox();
    put(outbox, ANN);
    (outbox.messages as unknown[]).length = 0;
    expect(outbox.messages).toHaveLength(1);
  });

  it('prints no code and no token', () => {
    const outbox = new Outbox();
    const code = put(outbox, ANN);
    for (const printed of [
      inspect(outbox, { depth: 8, showHidden: true }),
      JSON.stringify(outbox),
    ]) {
      expect(printed).not.toContain(code);
      expect(printed).not.toContain(ANN);
    }
  });

  it.each([0, -1, 1.5, Number.NaN, 1_000_001, '5'])('does not keep %j messages', (max) => {
    expect(() => new Outbox({ max: max as number })).toThrow(
      new TwoFactorConfigurationError(
        'An Outbox keeps a whole number of messages from 1 to 1000000. Give { max: 1000 }.',
      ),
    );
  });
});

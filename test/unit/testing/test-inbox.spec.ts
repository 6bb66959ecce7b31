import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { TwoFactorConfigurationError } from '../../../lib/index.js';
import { sampleDelivery } from '../../../lib/testing/sample-delivery.js';
import { TestInbox } from '../../../lib/testing/index.js';

const [ANN, BOB] = ['ann@example.com', '+15555550123'];

function put(inbox: TestInbox, token: string): string {
  const delivery = sampleDelivery(token, undefined);
  inbox.send(delivery);
  return delivery.code;
}

describe('an inbox', () => {
  it('returns the newest code of each phone number or address, and the newest of all', () => {
    const inbox = new TestInbox();
    const [, second, bobs] = [put(inbox, ANN), put(inbox, ANN), put(inbox, BOB)];
    expect(inbox.lastCode(ANN)).toBe(second);
    expect(inbox.lastCode(BOB)).toBe(bobs);
    expect(inbox.lastCode()).toBe(bobs);
  });

  it('keeps the messages in their order, by token and in all', () => {
    const inbox = new TestInbox();
    const codes = [put(inbox, ANN), put(inbox, BOB), put(inbox, ANN)];
    expect(inbox.messages.map(({ code }) => code)).toEqual(codes);
    expect(inbox.to(ANN).map(({ code }) => code)).toEqual([codes[0], codes[2]]);
    expect(inbox.to('eve@example.com')).toEqual([]);
    expect(inbox.messages[1]).toEqual({
      id: expect.stringMatching(/^[0-9a-v]{36}$/) as unknown,
      token: BOB,
      code: codes[1],
      way: 'sample',
      purpose: 'login',
      subject: 'ann',
      details: null,
      context: { language: 'en' },
      expiresInSeconds: 600,
    });
  });

  it('names the masked recipients of its messages when there is no code', () => {
    const inbox = new TestInbox();
    expect(() => inbox.lastCode()).toThrow(
      'Nothing was sent. In the inbox are messages to: (none).',
    );
    put(inbox, BOB);
    put(inbox, BOB);
    expect(() => inbox.lastCode(ANN)).toThrow(
      'Nothing was sent to a***@e***.com. In the inbox are messages to: ***23.',
    );
  });

  it('forgets all when it is cleared', () => {
    const inbox = new TestInbox();
    put(inbox, ANN);
    inbox.failNext();
    inbox.clear();
    expect(inbox.messages).toEqual([]);
    put(inbox, ANN);
    expect(inbox.messages).toHaveLength(1);
  });

  it('keeps the newest messages, and no more than it may', () => {
    const inbox = new TestInbox({ max: 3 });
    const codes = Array.from({ length: 5 }, () => put(inbox, ANN));
    expect(inbox.messages.map(({ code }) => code)).toEqual(codes.slice(2));
    const byDefault = new TestInbox();
    for (let n = 0; n < 1_001; n += 1) put(byDefault, ANN);
    expect(byDefault.messages).toHaveLength(1_000);
  });

  it('fails as often as asked, with the given error, and keeps no failed message', () => {
    const inbox = new TestInbox();
    const refused = new Error('refused');
    inbox.failNext(refused);
    inbox.failNext();
    expect(() => put(inbox, ANN)).toThrow(refused);
    expect(() => put(inbox, ANN)).toThrow('The provider did not answer.');
    put(inbox, ANN);
    expect(inbox.messages).toHaveLength(1);
  });

  it('hands out copies: what a test does to a list does nothing to the inbox', () => {
    const inbox = new TestInbox();
    put(inbox, ANN);
    (inbox.messages as unknown[]).length = 0;
    expect(inbox.messages).toHaveLength(1);
  });

  it('prints no code and no token', () => {
    const inbox = new TestInbox();
    const code = put(inbox, ANN);
    for (const printed of [inspect(inbox, { depth: 8, showHidden: true }), JSON.stringify(inbox)]) {
      expect(printed).not.toContain(code);
      expect(printed).not.toContain(ANN);
    }
  });

  it.each([0, -1, 1.5, Number.NaN, 1_000_001, '5'])('does not keep %j messages', (max) => {
    expect(() => new TestInbox({ max: max as number })).toThrow(
      new TwoFactorConfigurationError(
        'A TestInbox keeps a whole number of messages from 1 to 1000000. Give { max: 1000 }.',
      ),
    );
  });
});

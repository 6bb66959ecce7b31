// Threat: an assertion that was given for one confirmation confirms another one, or another amount.
import { createHmac, hkdfSync } from 'node:crypto';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { detailsMac, KeyRing, newId } from '../../../../lib/crypto/index.js';
import { TwoFactorUnknownSecretError } from '../../../../lib/index.js';
import {
  confirmationChallenge,
  registrationChallenges,
  type ChallengedConfirmation,
} from '../../../../lib/methods/passkey/challenge.js';
import { secretOf } from '../../../support/secret.js';

const [OLD, NEW] = [Buffer.from(secretOf('old')), Buffer.from(secretOf('new'))];
const before = KeyRing.fromSecrets([OLD]);
const during = KeyRing.fromSecrets([NEW, OLD]);
const after = KeyRing.fromSecrets([NEW]);

const id = newId(Date.UTC(2026, 0, 1));
const row: ChallengedConfirmation = {
  id,
  purpose: 'transfer',
  subject: 'user-1',
  methods: ['passkey', 'totp'],
  detailsMac: detailsMac(before.current, id, '{"amount":"10 EUR"}'),
};

/** HMAC-SHA-256 over 4-byte lengths and texts, written without the package's help. */
function independent(secret: Buffer, ...texts: readonly string[]): string {
  const key = hkdfSync('sha256', secret, '', 'nestjs-two-factor/v1/mac', 32);
  const hmac = createHmac('sha256', Buffer.from(key));
  for (const text of texts) {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hmac.update(length).update(bytes);
  }
  return hmac.digest('base64url');
}

describe('The challenge of a confirmation', () => {
  it('is the MAC of id, purpose, subject, methods and bound details when it is computed independently', () => {
    const { detailsMac } = row;
    expect(confirmationChallenge(before, row)).toBe(
      independent(OLD, 'passkey-challenge', id, 'transfer', 'user-1', 'passkey,totp', detailsMac),
    );
    expect(Buffer.from(confirmationChallenge(before, row), 'base64url')).toHaveLength(32);
  });

  it('is another one when any column is another one', () => {
    const otherId = newId(Date.UTC(2026, 0, 1));
    const others: ChallengedConfirmation[] = [
      row,
      { ...row, id: otherId },
      { ...row, purpose: 'login' },
      { ...row, subject: 'user-2' },
      { ...row, methods: ['passkey'] },
      { ...row, methods: ['totp', 'passkey'] },
      { ...row, detailsMac: detailsMac(before.current, id, '{"amount":"1000 EUR"}') },
      { ...row, purpose: 'transferu', subject: 'ser-1' },
    ];

    const challenges = others.map((other) => confirmationChallenge(before, other));
    expect(new Set(challenges).size).toBe(others.length);
  });

  it('is the same for two rows only if all of their texts are the same', () => {
    const text = fc.string({ maxLength: 4 });
    const texts = fc.tuple(text, text, text);
    const challengeOf = ([purpose, subject, mac]: readonly [string, string, string]): string =>
      confirmationChallenge(before, { ...row, purpose, subject, detailsMac: row.detailsMac + mac });
    fc.assert(
      fc.property(texts, texts, (one, two) => {
        const areSame = one.every((part, index) => part === two[index]);
        expect(challengeOf(one) === challengeOf(two)).toBe(areSame);
      }),
    );
  });

  it('stays the same when a secret is added between the challenge and its answer', () => {
    expect(confirmationChallenge(during, row)).toBe(confirmationChallenge(before, row));
  });

  it('would change when the secrets rotate if it were made with the current key, as the naive twin makes it', () => {
    const naive = ({ current }: KeyRing): string =>
      createHmac('sha256', current.mac).update(JSON.stringify(row)).digest('base64url');
    expect(naive(during)).not.toBe(naive(before));
  });

  it.each([
    ['its secret was removed', after, row.detailsMac],
    ['its MAC was changed', before, 'v1.AAAAAAAA.mac'],
    ['its MAC has another format', before, 'v2.x'],
    ['its MAC is empty', before, ''],
  ])('is refused when %s', (_, ring, mac) => {
    expect(() => confirmationChallenge(ring, { ...row, detailsMac: mac })).toThrow(
      TwoFactorUnknownSecretError,
    );
  });
});

describe('The challenges of an enrolment', () => {
  const factor = { factorId: 'factor-1', subject: 'user-1' };

  it('are those of all keys, the current one first', () => {
    const label = 'passkey-registration';
    expect(registrationChallenges(during, factor)).toEqual([
      independent(NEW, label, 'factor-1', 'user-1'),
      independent(OLD, label, 'factor-1', 'user-1'),
    ]);
  });

  it('contain the one from before when a secret is added between the two steps', () => {
    expect(registrationChallenges(during, factor)).toContain(
      registrationChallenges(before, factor)[0],
    );
    expect(registrationChallenges(after, factor)).not.toContain(
      registrationChallenges(before, factor)[0],
    );
  });

  it('are others for another factor or another subject', () => {
    const challenges = [
      factor,
      { ...factor, factorId: 'factor-2' },
      { ...factor, subject: 'user-2' },
    ].flatMap((pending) => registrationChallenges(before, pending));
    expect(new Set(challenges).size).toBe(3);
  });
});

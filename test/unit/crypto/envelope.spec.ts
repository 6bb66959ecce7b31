import { createDecipheriv, hkdfSync } from 'node:crypto';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  KeyRing,
  openEnvelope,
  sealEnvelope,
  type EnvelopeContent,
} from '../../../lib/crypto/index.js';

const SECRET = Buffer.from('the secret of the envelope, 32 bytes and more');
const ring = KeyRing.fromSecrets([SECRET]);
const binding = { id: '01234567890123456789012345678901234g', purpose: 'login', subject: 'user-1' };
const content: EnvelopeContent = {
  code: '04231786',
  token: 'ann@example.com',
  way: 'email',
  context: { locale: 'uk' },
};
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function bytes(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'base64url');
}

describe('an envelope', () => {
  it('gives back what was sealed', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            code: fc.string(),
            token: fc.string({ unit: 'binary' }),
            way: fc.string(),
            context: fc.dictionary(
              fc.string().filter((key) => key !== '__proto__'),
              fc.string(),
            ),
            tokenFrom: fc.constant('client' as const),
            hasSlot: fc.constant(true as const),
          },
          { requiredKeys: ['code'], noNullPrototype: true },
        ),
        (sealed) => {
          expect(openEnvelope(ring, sealEnvelope(ring, sealed, binding), binding)).toEqual(sealed);
        },
      ),
    );
  });

  it('is AES-256-GCM with a 12-byte nonce and a 16-byte tag under the HKDF key', () => {
    const parts = sealEnvelope(ring, content, binding).split('.');
    const [version, kid, nonce, ciphertext, tag] = parts;
    expect(parts).toHaveLength(5);
    expect([version, kid]).toEqual(['v1', ring.current.kid]);
    expect(bytes(nonce)).toHaveLength(12);
    expect(bytes(tag)).toHaveLength(16);

    const key = Buffer.from(hkdfSync('sha256', SECRET, '', 'nestjs-two-factor/v1/seal', 32));
    const decipher = createDecipheriv('aes-256-gcm', key, bytes(nonce));
    const associated = ['v1', binding.id, binding.purpose, binding.subject].map((text) =>
      Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text)]),
    );
    decipher.setAAD(Buffer.concat(associated));
    decipher.setAuthTag(bytes(tag));
    const clear = Buffer.concat([decipher.update(bytes(ciphertext)), decipher.final()]);
    const { code, token, way, context } = content;
    expect(JSON.parse(clear.toString())).toEqual({ c: code, t: token, w: way, x: context });
  });

  it('hides what is in it, and looks different each time', () => {
    const envelopes = Array.from({ length: 1_000 }, () => sealEnvelope(ring, content, binding));
    expect(new Set(envelopes).size).toBe(1_000);
    expect(new Set(envelopes.map((envelope) => envelope.split('.')[2])).size).toBe(1_000);
    const ciphertexts = envelopes.map((envelope) =>
      bytes(envelope.split('.')[3]).toString('latin1'),
    );
    for (const ciphertext of ciphertexts) {
      expect(ciphertext).not.toContain(content.code);
      expect(ciphertext).not.toContain('ann@');
    }
  });

  it.each([
    ['id', { ...binding, id: `0${binding.id.slice(1)}`.replace('g', '0') }],
    ['purpose', { ...binding, purpose: 'logi' }],
    ['purpose, emptied', { ...binding, purpose: '' }],
    ['subject', { ...binding, subject: 'user-2' }],
    ['subject, in other case', { ...binding, subject: 'USER-1' }],
    ['subject, with a blank', { ...binding, subject: 'user-1 ' }],
    ['border of purpose and subject', { ...binding, purpose: 'loginu', subject: 'ser-1' }],
  ])('does not open under another %s', (_, other) => {
    expect(openEnvelope(ring, sealEnvelope(ring, content, binding), other)).toBeNull();
  });

  it('does not open when any of its characters is another', () => {
    const envelope = sealEnvelope(ring, content, binding);
    const opened: string[] = [];
    for (let at = 0; at < envelope.length; at += 1) {
      for (const character of ['.', '=', ' ', ...Array.from(BASE64URL)]) {
        if (character === envelope[at]) continue;
        const changed = envelope.slice(0, at) + character + envelope.slice(at + 1);
        if (openEnvelope(ring, changed, binding) !== null) opened.push(`${at}: ${character}`);
      }
    }
    expect(opened).toEqual([]);
  });

  it('does not open when it is cut off anywhere, or has something added', () => {
    const envelope = sealEnvelope(ring, content, binding);
    for (let length = 0; length < envelope.length; length += 1) {
      expect(openEnvelope(ring, envelope.slice(0, length), binding)).toBeNull();
    }
    const additions = ['.', '.x', 'A', '=', ' ', '\n'];
    expect(
      additions.filter((added) => openEnvelope(ring, envelope + added, binding) !== null),
    ).toEqual([]);
  });

  it('does not open with a tag of fewer bytes', () => {
    const [version, kid, nonce, ciphertext, tag] = sealEnvelope(ring, content, binding).split('.');
    for (const length of [4, 8, 12, 15]) {
      const short = bytes(tag).subarray(0, length).toString('base64url');
      const envelope = [version, kid, nonce, ciphertext, short].join('.');
      expect(openEnvelope(ring, envelope, binding)).toBeNull();
    }
  });

  it('does not open with the parts of two envelopes', () => {
    const one = sealEnvelope(ring, content, binding).split('.');
    const other = sealEnvelope(ring, { code: '999999' }, binding).split('.');
    for (const part of [2, 3, 4]) {
      const mixed = one.with(part, other[part] ?? '').join('.');
      expect(openEnvelope(ring, mixed, binding)).toBeNull();
    }
  });

  it('does not open under a key that is not in the ring, nor under a false kid', () => {
    const foreign = KeyRing.fromSecrets([Buffer.from('another secret')]);
    const envelope = sealEnvelope(foreign, content, binding);
    expect(openEnvelope(ring, envelope, binding)).toBeNull();
    const relabelled = envelope.replace(foreign.current.kid, ring.current.kid);
    expect(openEnvelope(ring, relabelled, binding)).toBeNull();
  });

  it('opens under an older secret of the ring', () => {
    const rotated = KeyRing.fromSecrets([Buffer.from('the new secret'), SECRET]);
    expect(openEnvelope(rotated, sealEnvelope(ring, content, binding), binding)).toEqual(content);
  });

  it('is null for any text, and never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .array(fc.string(), { maxLength: 5 })
            .map((parts) => ['v1', ring.current.kid, ...parts].join('.')),
        ),
        (text) => {
          expect(openEnvelope(ring, text, binding)).toBeNull();
        },
      ),
    );
  });
});

import { hkdfSync } from 'node:crypto';
import { inspect } from 'node:util';

import { describe, expect, it } from 'vitest';

import { codeMac, KeyRing, sealEnvelope } from '../../../lib/crypto/index.js';

const OLD = Buffer.from('the old secret, 32 bytes or more of it');
const NEW = Buffer.from('the new secret, 32 bytes or more of it');
const ID = '0'.repeat(36);

function bytesOf(key: { export(): Buffer }): string {
  return key.export().toString('hex');
}

describe('the key ring', () => {
  it('derives each key by HKDF-SHA-256 under a label of its own', () => {
    const { current } = KeyRing.fromSecrets([NEW]);
    const derive = (label: string, bytes: number): Buffer =>
      Buffer.from(
        hkdfSync('sha256', NEW, new Uint8Array(0), `nestjs-two-factor/v1/${label}`, bytes),
      );
    expect(current.kid).toBe(derive('kid', 6).toString('base64url'));
    expect(bytesOf(current.mac)).toBe(derive('mac', 32).toString('hex'));
    expect(bytesOf(current.seal)).toBe(derive('seal', 32).toString('hex'));
    expect(bytesOf(current.limit)).toBe(derive('limit', 32).toString('hex'));
  });

  it('derives keys that have nothing in common with each other, the kid or the secret', () => {
    const { current } = KeyRing.fromSecrets([NEW]);
    const kid = Buffer.from(current.kid, 'base64url').toString('hex');
    const keys = [bytesOf(current.mac), bytesOf(current.seal), bytesOf(current.limit)];
    expect(new Set(keys).size).toBe(3);
    for (const key of keys) {
      expect(key).toHaveLength(64);
      expect(key.startsWith(kid)).toBe(false);
      expect(key.includes(NEW.toString('hex').slice(0, 16))).toBe(false);
    }
  });

  it('names each key by 8 characters of base64url', () => {
    const kids = Array.from(
      { length: 200 },
      (_, index) => KeyRing.fromSecrets([Buffer.from(`secret number ${index}`)]).current.kid,
    );
    for (const kid of kids) expect(kid).toMatch(/^[\w-]{8}$/);
    expect(new Set(kids).size).toBe(200);
  });

  it('gives equal secrets equal kids, which is how the options tell them', () => {
    const [first, second] = KeyRing.fromSecrets([NEW, Buffer.from(NEW)]).keys;
    expect(first?.kid).toBe(second?.kid);
  });

  it('signs and seals with the first secret and finds the keys of all', () => {
    const ring = KeyRing.fromSecrets([NEW, OLD]);
    const [oldKey] = KeyRing.fromSecrets([OLD]).keys;
    expect(ring.keys).toHaveLength(2);
    expect(ring.current).toBe(ring.keys[0]);
    expect(ring.find(oldKey!.kid)).toBe(ring.keys[1]);
    expect(ring.keyOf(codeMac(oldKey!, ID, '123456'))).toBe(ring.keys[1]);
    const envelope = sealEnvelope(ring, { code: '123456' }, { id: ID, purpose: '', subject: '' });
    expect(ring.keyOf(envelope)).toBe(ring.current);
  });

  it('finds no key for what is foreign', () => {
    const ring = KeyRing.fromSecrets([NEW]);
    const { kid } = ring.current;
    const foreign = KeyRing.fromSecrets([OLD]).current;
    const stored = ['', 'v1', 'v1.', '.', kid, `v2.${kid}.x`, `V1.${kid}.x`, ` v1.${kid}`];
    expect(stored.filter((text) => ring.keyOf(text) !== undefined)).toEqual([]);
    expect(ring.keyOf(codeMac(foreign, ID, '123456'))).toBeUndefined();
    expect(ring.find('')).toBeUndefined();
  });

  it('needs a secret', () => {
    expect(() => KeyRing.fromSecrets([])).toThrow(
      new RangeError('A key ring needs at least one secret.'),
    );
  });

  it('is unchanged when the bytes of the secret are wiped afterwards', () => {
    const bytes = Buffer.from(NEW);
    const ring = KeyRing.fromSecrets([bytes]);
    bytes.fill(0);
    expect(codeMac(ring.current, ID, '123456')).toBe(
      codeMac(KeyRing.fromSecrets([NEW]).current, ID, '123456'),
    );
  });

  it.each(['shop', 'bank', 'shop-2', 'mac', 'application'])(
    'has other keys for the same secret when the application is %s',
    (application) => {
      const all = ['', 'shop', 'bank', 'shop-2', 'mac', 'application'].map(
        (name) => KeyRing.fromSecrets([NEW], name).current,
      );
      const one = KeyRing.fromSecrets([NEW], application).current;
      const keysOf = ({ kid, mac, seal, limit }: typeof one): string[] => [
        kid,
        ...[mac, seal, limit].map(bytesOf),
      ];
      expect(new Set(all.flatMap(keysOf)).size).toBe(4 * all.length);
      expect(all.map(keysOf)).toContainEqual(keysOf(one));
    },
  );

  it('derives the keys of an application by RFC 5869 with its name in the label', () => {
    const { current } = KeyRing.fromSecrets([NEW], 'shop');
    const label = 'nestjs-two-factor/v1/application/shop/';
    const independent = (purpose: string, bytes: number): Buffer =>
      Buffer.from(hkdfSync('sha256', NEW, '', label + purpose, bytes));
    expect(current.kid).toBe(independent('kid', 6).toString('base64url'));
    expect(bytesOf(current.mac)).toBe(independent('mac', 32).toString('hex'));
    expect(bytesOf(current.seal)).toBe(independent('seal', 32).toString('hex'));
    expect(bytesOf(current.limit)).toBe(independent('limit', 32).toString('hex'));
  });

  it('is frozen, and shows no key in a log', () => {
    const ring = KeyRing.fromSecrets([NEW, OLD]);
    expect(Object.isFrozen(ring.keys)).toBe(true);
    expect(ring.keys.every((key) => Object.isFrozen(key))).toBe(true);
    const shown =
      inspect(ring, { depth: 9, showHidden: true, customInspect: false }) + JSON.stringify(ring);
    for (const key of ring.keys) {
      for (const part of [key.mac, key.seal, key.limit]) {
        expect(shown).not.toContain(bytesOf(part));
        expect(shown).not.toContain(part.export().toString('base64'));
        expect(shown).not.toContain(inspect(part.export()));
      }
    }
  });
});

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
  randomFillSync,
} from 'node:crypto';

/** The package's ids, MACs and envelopes, as an application writes them for one case; keys are derived once. */
const secret = randomBytes(32);
const derived = (label, bytes) => hkdfSync('sha256', secret, '', `bench/${label}`, bytes);
const macKey = createSecretKey(Buffer.from(derived('mac', 32)));
const sealKey = createSecretKey(Buffer.from(derived('seal', 32)));
const limitKeyOf = createSecretKey(Buffer.from(derived('limit', 32)));
const PREFIX = `v1.${Buffer.from(derived('kid', 6)).toString('base64url')}.`;

const ALPHABET = '0123456789abcdefghijklmnopqrstuv';

/** 48 bits of time and 128 random ones in base32hex. */
export function newId(now) {
  const bytes = Buffer.allocUnsafe(22);
  bytes.writeUIntBE(now, 0, 6);
  randomFillSync(bytes, 6);
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return text + ALPHABET[(value << (5 - bits)) & 31];
}

export function codeMac(id, code) {
  return mac('code', id, code);
}

export function detailsMac(id) {
  return mac('details', id, '');
}

export function limitKey(...parts) {
  const digest = createHmac('sha256', limitKeyOf).update(joined(parts)).digest('hex');
  return digest.slice(0, 32);
}

/** AES-256-GCM, bound to the row. */
export function seal(content, ...row) {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealKey, nonce, { authTagLength: 16 });
  cipher.setAAD(joined(['v1', ...row]));
  const sealed = [
    nonce.toString('base64url'),
    cipher.update(JSON.stringify(content), 'utf8', 'base64url') + cipher.final('base64url'),
    cipher.getAuthTag().toString('base64url'),
  ];
  return PREFIX + sealed.join('.');
}

export function open(envelope, ...row) {
  const [, , nonce, sealed, tag] = envelope.split('.');
  const iv = Buffer.from(nonce, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', sealKey, iv, { authTagLength: 16 });
  decipher.setAAD(joined(['v1', ...row]));
  decipher.setAuthTag(Buffer.from(tag, 'base64url'));
  return JSON.parse(decipher.update(sealed, 'base64url', 'utf8') + decipher.final('utf8'));
}

function mac(...parts) {
  return PREFIX + createHmac('sha256', macKey).update(joined(parts)).digest('base64url');
}

/** Each part after its length, so that no two lists give the same bytes. */
function joined(parts) {
  return parts.map((part) => `${String(Buffer.byteLength(part)).padStart(4, '0')}${part}`).join('');
}

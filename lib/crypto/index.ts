export { base32Text } from './base32-text.js';
export {
  digits,
  letters,
  normaliseCode,
  parseCode,
  withAsciiDigits,
  withoutDecoration,
  type CodeGenerator,
} from './code.js';
export { drawBytes } from './draw-bytes.js';
export {
  openEnvelope,
  sealEnvelope,
  type EnvelopeBinding,
  type EnvelopeContent,
} from './envelope.js';
export { shortDigest } from './key-digest.js';
export { openFactorData, plainHash, sealFactorData, type FactorBinding } from './factor-secret.js';
export {
  ID_RANDOM_BYTES,
  idFromHashAt,
  lowestIdAt,
  idFromHash,
  idFromRequestKey,
  isId,
  newId,
  parseId,
  shortId,
} from './id.js';
export { KeyRing, type DerivedKeys } from './key-ring.js';
export { limitKey } from './limit-key.js';
export { codeMac, codeMacs, detailsMac, detailsMacs } from './mac.js';
export { NONCE_BYTES, decodeBase64Url } from './sealed-text.js';

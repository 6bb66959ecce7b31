export { digits, letters, normaliseCode, parseCode, type CodeGenerator } from './code.js';
export { drawBytes } from './draw-bytes.js';
export {
  NONCE_BYTES,
  openEnvelope,
  sealEnvelope,
  type EnvelopeBinding,
  type EnvelopeContent,
} from './envelope.js';
export { ID_RANDOM_BYTES, idBound, idFromRequestKey, isId, newId, parseId, shortId } from './id.js';
export { KeyRing, type DerivedKeys } from './key-ring.js';
export { limitKey } from './limit-key.js';
export { codeMac, codeMacs, detailsMac, detailsMacs } from './mac.js';

export { phoneNormalizer, type PhoneNormalizerOptions } from './phone-normalizer.js';

export { phoneNormalizer, type PhoneNormalizerOptions } from './phone-normalizer.js';
export {
  phoneDestinations,
  type PhoneDestinationsOptions,
  type PhoneNumberType,
} from './phone-destinations.js';

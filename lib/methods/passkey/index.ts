export type {
  PasskeyAssertionResponse,
  PasskeyCreationOptions,
  PasskeyDescriptor,
  PasskeyRegistrationResponse,
  PasskeyRequestOptions,
} from '../../confirmation/model/passkey-json.js';
export type { PasskeyOptions } from './passkey-options.js';
export { passkeys } from './passkeys.js';

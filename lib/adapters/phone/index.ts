export { phoneTokens, type PhoneTokensOptions } from './phone-tokens.js';

export { maskToken } from './mask-token.js';
export {
  TwoFactorService,
  type TwoFactorRequest,
  type TwoFactorRequestInput,
} from './two-factor.service.js';

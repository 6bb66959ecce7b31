export {
  TwoFactorService,
  type TwoFactorRequest,
  type TwoFactorRequestInput,
  type TwoFactorResendInput,
} from './two-factor.service.js';

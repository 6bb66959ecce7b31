export {
  MethodChooser,
  type AllowedMethods,
  type MethodChoice,
  type MethodDemand,
} from './method-chooser.js';
export {
  TwoFactorService,
  type RequestedConfirmation,
  type TwoFactorMethodRequestInput,
  type TwoFactorRequestInput,
  type TwoFactorResendInput,
} from './two-factor.service.js';

export { methodsOfFactors, type ChangeCondition } from './factors/change-condition.js';
export { hasRecovery, RECOVERY } from './factors/factor-changes.js';
export { rememberedDevices, type RememberedDevicesOptions } from './device/remembered-devices.js';
export { assertStillThere, EnrolledFactors } from './factors/enrolled-factors.js';
export { FactorConfirmationMethod } from './factors/factor-confirmation.method.js';
export { FactorEvents } from './factors/factor-events.js';
export type {
  ActivateInput,
  EnrolInput,
  EnrolPasskeyInput,
  FactorChangeInput,
  ImportInput,
  ProvedChangeInput,
  RememberInput,
  RemoveInput,
  RenameInput,
  ResealInput,
} from './factors/factor-inputs.js';
export { FactorMethod, type SubjectFactors } from './factors/factor-method.js';
export { FactorRecord, type FactorRow } from './factors/factor-record.entity.js';
export { FactorService } from './factors/factor.service.js';
export { FactorStore, factorTable } from './factors/factor.store.js';
export type {
  ActivatedFactor,
  BegunFactor,
  BegunPasskey,
  FactorView,
  RememberedDevice,
  ResealResult,
} from './factors/factor-views.js';
export { recoveryCodes, type RecoveryCodesOptions } from './recovery/recovery-codes.js';
export { totp, type TotpOptions } from './totp/totp.js';

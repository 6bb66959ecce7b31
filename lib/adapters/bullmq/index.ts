export { TwoFactorBullMqModule } from './two-factor-bullmq.module.js';
export type { BullMqRate, BullMqSender, TwoFactorBullMqOptions } from './checked-options.js';

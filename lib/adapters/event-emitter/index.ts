export {
  TwoFactorEventEmitterModule,
  type TwoFactorEventEmitterOptions,
} from './two-factor-event-emitter.module.js';

export {
  TwoFactorMetricsModule,
  type TwoFactorMetricsOptions,
} from './two-factor-metrics.module.js';

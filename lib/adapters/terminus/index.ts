export { TwoFactorHealthIndicator, type HealthOptions } from './two-factor-health.indicator.js';

export { failoverBackend, type BreakerOptions, type FailoverOptions } from './failover.backend.js';

export { type FlexibleLimiter, type RateLimiterFlexibleStoreOptions } from './checked-options.js';
export { rateLimiterFlexibleStore } from './rate-limiter-flexible.store.js';

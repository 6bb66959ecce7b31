export {
  rateLimiterFlexibleStore,
  type FlexibleLimiter,
  type RateLimiterFlexibleStoreOptions,
} from './rate-limiter-flexible.store.js';

import { digits } from '../crypto/index.js';

/** The default of every option that has one; said here and nowhere else. */
export const DEFAULTS = {
  defaultSender: 'default',
  codeGenerator: digits(6),
  debugCodeResponse: false,
  ttlSeconds: 600,
  useWithinSeconds: 300,
  maxAttempts: 5,
  maxSends: 5,
  cooldownSeconds: [30, 60, 120, 300],
  resend: 'same',
  autoPurge: { everySeconds: 600, keepSeconds: 86_400 },
  timeoutMs: 5_000,
  sendTimeoutMs: 10_000,
  preparedStatements: true,
  clock: { now: () => Date.now() },
} as const;

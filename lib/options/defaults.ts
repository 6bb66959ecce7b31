import { digits } from '../crypto/index.js';

/** The default of every option that has one. No other file repeats a default. */
export const DEFAULTS = {
  application: '',
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
  limits: {
    // The longest lock lasts longer than a code, so that each guess under it costs an attacker a new message.
    failures: { lockAfter: 10, lockSeconds: 30, maxLockSeconds: 900, permanentLockAfter: 100 },
    pending: { max: 3 },
    sendsPerToken: {
      open: [
        { max: 5, perSeconds: 600 },
        { max: 10, perSeconds: 86_400 },
      ],
      bound: [
        { max: 5, perSeconds: 600 },
        { max: 20, perSeconds: 86_400 },
      ],
    },
    sendsPerRequester: [{ max: 10, perSeconds: 3_600 }],
    requestsPerRequester: [{ max: 60, perSeconds: 3_600 }],
    sendsPerNetwork: [
      { ipv4: 24, ipv6: 48, max: 60, perSeconds: 3_600 },
      { ipv6: 56, max: 30, perSeconds: 3_600 },
    ],
    sendsPerPrefix: { mode: 'record', prefixDigits: 3, min: 50, ratio: 0.2, perSeconds: 3_600 },
    sendsInTotal: {
      open: [{ max: 500, perSeconds: 3_600 }],
      openWithoutBoundPurposes: [{ max: 1_000, perSeconds: 3_600 }],
      bound: [{ max: 5_000, perSeconds: 3_600 }],
    },
    sprayDetection: { confirmations: 20, perSeconds: 600 },
  },
  databaseTimeoutMs: 5_000,
  sendTimeoutMs: 10_000,
  delivery: 'inline',
  worker: { concurrency: 4, pollSeconds: 5 },
  preparedStatements: true,
  batching: true,
  clock: { now: () => Date.now() },
} as const;

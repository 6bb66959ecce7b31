import { drawCode } from '../measure/cycle.js';
import { PURPOSE } from './contender.js';
import { codeMac, detailsMac, newId, seal } from './sealing.js';

export const TTL_MS = 600_000;
export const USE_WITHIN_MS = 300_000;
const MAX_ATTEMPTS = 5;

/** In the order of the values of `newRow`; the last one, which has none there, is 0. */
export const COLUMNS =
  'id, purpose, subject, details_mac, max_attempts, created_at, expires_at, way, code_mac, envelope, sends, last_sent_at, attempts';

/**
 * A confirmation that is written by hand. With a `way` the row says that its message went out, as one that is sent at once
 * would be written.
 */
export function newRow({ subject, token, way = '' }, id = newId(Date.now())) {
  const now = Date.now();
  const code = drawCode();
  const isSent = way !== '';
  const expiresAt = now + TTL_MS;
  const values = [
    id,
    PURPOSE,
    subject,
    detailsMac(id),
    MAX_ATTEMPTS,
    now,
    expiresAt,
    way,
    codeMac(id, code),
    seal({ code, token, way }, id, PURPOSE, subject),
    isSent ? 1 : 0,
    isSent ? now : null,
  ];
  return { made: { id, subject, expiresAt }, values };
}

export function outcomeOf(row, now) {
  return {
    isKnown: row !== undefined,
    isConfirmed: Number(row?.confirmed_at) === now,
    attemptsLeft: row === undefined ? 0 : row.max_attempts - row.attempts,
  };
}

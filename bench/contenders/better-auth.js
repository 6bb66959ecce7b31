import { randomBytes } from 'node:crypto';

import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { emailOTP } from 'better-auth/plugins/email-otp';
import { Pool } from 'pg';

import { CODE, drawCode } from '../measure/cycle.js';
import { POOL_SIZE } from './contender.js';

const TYPE = 'sign-in';

/** better-auth with its plugin for codes by e-mail, as it comes, but for its rate limit. */
export async function betterAuthOn(url, baseURL = 'http://127.0.0.1') {
  const pool = new Pool({ connectionString: url, max: POOL_SIZE });
  const auth = betterAuth({
    baseURL,
    secret: randomBytes(32).toString('base64'),
    database: pool,
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    plugins: [emailOTP({ generateOTP: drawCode, sendVerificationOTP: async () => undefined })],
  });
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  return { auth, close: () => pool.end() };
}

/**
 * Its steps are those of a sign-in: send a code, check a wrong one, check the right one, and sign in with it, which spends
 * it. It has no proofs apart from that. Each caller is a user who was there before.
 *
 * @returns {Promise<import('./contender.js').Contender>}
 */
export async function open({ url }) {
  const { auth, close } = await betterAuthOn(url);
  const users = new Map();
  const send = (email) => auth.api.sendVerificationOTP({ body: { email, type: TYPE } });
  const signIn = (email) => auth.api.signInEmailOTP({ body: { email, otp: CODE } });
  return {
    make: async ({ token }, caller) => {
      if (!users.has(caller)) {
        await send(token);
        await signIn(token);
        users.set(caller, token);
      }
      const email = users.get(caller);
      await send(email);
      return email;
    },
    confirm: async (email, otp) => {
      try {
        const { success } = await auth.api.checkVerificationOTP({
          body: { email, type: TYPE, otp },
        });
        return success;
      } catch (error) {
        if (error.body?.code === 'INVALID_OTP') return false;
        throw error;
      }
    },
    use: async (email) => {
      const { user } = await signIn(email);
      return user.email === email;
    },
    close,
  };
}

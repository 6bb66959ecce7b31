import 'reflect-metadata';
import { DataSource, EntitySchema } from 'typeorm';

import { drawCode } from '../measure/cycle.js';
import { POOL_SIZE } from './contender.js';

const TTL_MS = 600_000;
const MAX_ATTEMPTS = 5;

const Otp = new EntitySchema({
  name: 'Otp',
  columns: {
    id: { type: 'uuid', primary: true, generated: 'uuid' },
    email: { type: 'varchar' },
    code: { type: 'varchar' },
    expiresAt: { type: 'timestamptz' },
    attempts: { type: 'int', default: 0 },
    verified: { type: 'boolean', default: false },
    used: { type: 'boolean', default: false },
  },
});

/**
 * What the tutorials do: find it, look at it, change it, save it. The code lies there in clear, and of two calls at once
 * both may win.
 *
 * @returns {Promise<import('./contender.js').Contender>}
 */
export async function open({ url }) {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    poolSize: POOL_SIZE,
    entities: [Otp],
    synchronize: true,
  });
  await dataSource.initialize();
  const otps = dataSource.getRepository(Otp);
  return {
    make: async ({ token }) => {
      const expiresAt = new Date(Date.now() + TTL_MS);
      return otps.save(otps.create({ email: token, code: drawCode(), expiresAt }));
    },
    confirm: async ({ id }, code) => {
      const otp = await otps.findOne({ where: { id } });
      if (!otp || otp.verified || otp.expiresAt < new Date() || otp.attempts >= MAX_ATTEMPTS) {
        return false;
      }
      otp.attempts += 1;
      otp.verified = otp.code === code;
      await otps.save(otp);
      return otp.verified;
    },
    use: async ({ id }) => {
      const otp = await otps.findOne({ where: { id } });
      if (!otp?.verified || otp.used) return false;
      otp.used = true;
      await otps.save(otp);
      return true;
    },
    close: () => dataSource.destroy(),
  };
}

import { CODE, newPerson, wrongCode } from '../measure/cycle.js';
import { load } from '../measure/load.js';
import { serve } from '../process/serve.js';
import { Connection } from './connection.js';

/** A cycle in the words of each kind of server. */
const CYCLES = {
  /** Those of the package, which the floors speak too. */
  ours: async (connection) => {
    const user = `X-User: ${newPerson().subject}\r\n`;
    const post = (path, body, headers = '') => connection.post(path, body, user + headers);
    const asked = await post('/2factor/request-confirmation', { purpose: 'pay' });
    expect(asked, 200);
    const { id } = JSON.parse(asked.body);
    expect(await post('/2factor/confirm', { id, code: wrongCode() }), 422);
    expect(await post('/2factor/confirm', { id, code: CODE }), 200);
    const proof = `X-Confirmation-Id: ${id}\r\n`;
    expect(await post('/pay', { amount: '10.00', payee: 'bob' }, proof), 200);
  },
  /** Each connection is a user who was there before. */
  'better-auth': async (connection) => {
    if (!users.has(connection)) {
      const email = newPerson().token;
      await sendOtp(connection, email);
      await signIn(connection, email);
      users.set(connection, email);
    }
    const email = users.get(connection);
    const checkPath = '/api/auth/email-otp/check-verification-otp';
    const check = (otp) => connection.post(checkPath, { email, type: 'sign-in', otp });
    await sendOtp(connection, email);
    expect(await check(wrongCode()), 400);
    expect(await check(CODE), 200);
    await signIn(connection, email);
  },
};

const users = new WeakMap();

async function sendOtp(connection, email) {
  const path = '/api/auth/email-otp/send-verification-otp';
  expect(await connection.post(path, { email, type: 'sign-in' }), 200);
}

async function signIn(connection, email) {
  expect(await connection.post('/api/auth/sign-in/email-otp', { email, otp: CODE }), 200);
}

function expect({ status, body }, wanted) {
  if (status !== wanted) throw new Error(`Answered ${status} instead of ${wanted}: ${body}`);
}

/** By the port of the server. */
const pools = new Map();
/** Less than the time after which any server closes an idle connection. */
const KEPT_MS = 1_000;

/** Kept open from the warm-up to the measurement, as keep-alive means it. */
async function connectionsTo(port, count) {
  const { open, usedAt } = pools.get(port) ?? { open: [], usedAt: 0 };
  const isStale = performance.now() - usedAt > KEPT_MS;
  if (isStale) for (const connection of open.splice(0)) connection.close();
  while (open.length < count) open.push(await Connection.open(port));
  return open;
}

serve({
  load: async ({ port, api, ...amount }) => {
    const connections = await connectionsTo(port, amount.callers);
    const result = await load(amount, (caller) => CYCLES[api](connections[caller]));
    pools.set(port, { open: connections, usedAt: performance.now() });
    return result;
  },
  forget: (port) => {
    for (const connection of pools.get(port)?.open ?? []) connection.close();
    pools.delete(port);
  },
  close: () => undefined,
});

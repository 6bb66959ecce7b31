import { createServer } from 'node:http';

import { toNodeHandler } from 'better-auth/node';

import { betterAuthOn } from '../contenders/better-auth.js';

/** better-auth behind the handler that it has for Node. */
export async function listen({ url }) {
  const { auth, close } = await betterAuthOn(url);
  const handler = toNodeHandler(auth);
  const server = createServer((request, response) => void handler(request, response));
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: server.address().port,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await close();
    },
  };
}

import type { Server } from 'node:http';

import type { INestApplication } from '@nestjs/common';

/**
 * For how long a server of a test keeps an idle connection, in milliseconds. The default of Node is five seconds: after a pause of the
 * process the server ends a connection at the moment when a client in the same process writes the next request on it, and that request
 * fails.
 */
export const KEEP_ALIVE_MS = 120_000;

/** Has an application listen on a port of this machine, a free one by default, and tells its origin. */
export async function listen(app: INestApplication, port = 0): Promise<string> {
  (app.getHttpServer() as Server).keepAliveTimeout = KEEP_ALIVE_MS;
  await app.listen(port, '127.0.0.1');
  return (await app.getUrl()).replace('localhost', '127.0.0.1');
}

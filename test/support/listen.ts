import type { INestApplication } from '@nestjs/common';

/** Has an application listen on a port of this machine, a free one by default, and tells its origin. */
export async function listen(app: INestApplication, port = 0): Promise<string> {
  await app.listen(port, '127.0.0.1');
  return (await app.getUrl()).replace('localhost', '127.0.0.1');
}

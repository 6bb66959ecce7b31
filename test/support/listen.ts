import type { INestApplication } from '@nestjs/common';

/** Has an application listen on a free port of this machine, and tells its origin. */
export async function listen(app: INestApplication): Promise<string> {
  await app.listen(0, '127.0.0.1');
  return (await app.getUrl()).replace('localhost', '127.0.0.1');
}

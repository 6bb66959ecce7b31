import { dirname, isAbsolute, join } from 'node:path';

import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/fastify.md');
let app: NestFastifyApplication | undefined;

beforeAll(() => writePage(page));
afterEach(async () => {
  await app?.close();
  vi.restoreAllMocks();
});

describe('Fastify', () => {
  it('the routes are there, with and without a slash at the end', async () => {
    const lines: string[] = [];
    vi.spyOn(Logger.prototype, 'log').mockImplementation((line: unknown) => {
      lines.push(String(line));
    });
    const { start } = await load<{ start: (port: number) => Promise<NestFastifyApplication> }>(
      page,
      'main.ts',
    );
    app = await start(0);
    const post = (path: string, body: object) =>
      request(app!.getHttpServer()).post(`/api/2factor/${path}`).send(body);

    const asked = await post('request-confirmation/', { token: 'ann@example.com' }).expect(200);
    const { id } = asked.body as { id: string };
    const code = lines.map((line) => / to \S+: (\S+) is your /.exec(line)?.[1]).findLast(Boolean);
    const confirmed = await post('confirm', { id, code }).expect(200);

    expect(confirmed.body).toEqual({ id, confirmed: true });
  });

  it('refuses a body of more than 100 kB before it is parsed', async () => {
    const { start } = await load<{ start: (port: number) => Promise<NestFastifyApplication> }>(
      page,
      'main.ts',
    );
    app = await start(0);
    const statusOf = async (length: number): Promise<number> => {
      const call = request(app!.getHttpServer()).post('/api/2factor/request-confirmation');
      return (await call.send({ token: 'a'.repeat(length) })).status;
    };

    expect(await statusOf(102_400)).toBe(413);
    expect(await statusOf(102_000)).toBe(400);
  });

  it('serves the folders of the client and of uqr, by absolute paths and one decorated reply', async () => {
    const { serveStaticFiles } = await load<{ serveStaticFiles: (app: object) => void }>(
      page,
      'static-files.ts',
    );
    const folders: { root: string; prefix: string; decorateReply?: boolean }[] = [];
    serveStaticFiles({ useStaticAssets: (folder: (typeof folders)[0]) => folders.push(folder) });

    expect(folders.map(({ prefix, decorateReply }) => [prefix, decorateReply])).toEqual([
      ['/', undefined],
      ['/two-factor/', false],
      ['/uqr/', false],
    ]);
    expect(folders.every(({ root }) => isAbsolute(root))).toBe(true);
    const { default: entry } = manifest.exports['./client'];
    expect(folders[1]!.root.endsWith(join('nestjs-two-factor', dirname(entry)))).toBe(true);
  });
});

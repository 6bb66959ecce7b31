// A guide's application, as its readers would start it, on the database that it names.
import { Logger, type INestApplication, type Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { vi } from 'vitest';

import { load, type Page } from './snippets.js';

export interface Guide {
  readonly app: INestApplication;
  post(path: string, body?: object): request.Test;
  /** The code that `LoggerBackend` wrote last. */
  lastCode(): string;
  /** The messages that `LoggerBackend` wrote. */
  readonly messages: string[];
  close(): Promise<void>;
}

interface GuideInput {
  /** @default 'app.module.ts' */
  readonly file?: string;
  /** @default 'AppModule' */
  readonly module?: string;
  readonly adapter?: AbstractHttpAdapter;
  /** What a reader's own sign-in would do. */
  readonly user?: object;
}

export async function startGuide(page: Page, input: GuideInput = {}): Promise<Guide> {
  const { file = 'app.module.ts', module: name = 'AppModule', adapter, user } = input;
  const { [name]: AppModule } = await load<Record<string, Type<object> | undefined>>(page, file);
  if (AppModule === undefined) throw new Error(`${file} of ${page.path} exports no ${name}.`);
  const lines: string[] = [];
  const spy = vi.spyOn(Logger.prototype, 'log').mockImplementation((line: unknown) => {
    lines.push(String(line));
  });
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  const app = adapter ? module.createNestApplication(adapter) : module.createNestApplication();
  if (user) {
    app.use((call: { user?: object }, _: unknown, next: () => void) => {
      call.user = user;
      next();
    });
  }
  await app.init();
  return {
    app,
    post: (path, body = {}) =>
      request(app.getHttpServer() as string)
        .post(path)
        .send(body),
    messages: lines,
    lastCode: () => {
      const code = lines.map((line) => / to .+: (\S+) is your /.exec(line)?.[1]).findLast(Boolean);
      if (code === undefined) throw new Error('Nothing was sent.');
      return code;
    },
    close: async () => {
      spy.mockRestore();
      await app.close();
    },
  };
}

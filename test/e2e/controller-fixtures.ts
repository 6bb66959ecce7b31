import { UnauthorizedException, type ExecutionContext } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';

import type { PurposeDefinition } from '../../lib/index.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

export const ROUTES = ['request-confirmation', 'confirm', 'resend', 'check'] as const;

export const inSeconds = (app: HttpTestApp, seconds: number): string =>
  new Date(app.clock.now() + seconds * 1_000).toISOString();

export function header(context: ExecutionContext, name: string): string | undefined {
  const { headers } = context
    .switchToHttp()
    .getRequest<{ headers: Record<string, string | undefined> }>();
  return headers[name];
}

/** What the application's resolvers were called with. */
export const seen: string[] = [];

const purposes = {
  '': { open: true },
  'sign-up': { open: true, details: () => ({ plan: 'free' }) },
  short: { open: true, ttlSeconds: 60 },
  transfer: {
    subject: (context: ExecutionContext) => {
      seen.push(`${context.getType()} ${context.getClass().name} ${context.getHandler().name}`);
      return header(context, 'x-user');
    },
    recipient: async (context: ExecutionContext, way: string) => {
      const user = header(context, 'x-user');
      return user === 'unreachable' ? undefined : `${user}-${way}@example.com`;
    },
  },
  strict: {
    subject: (context: ExecutionContext) => {
      const user = header(context, 'x-user');
      if (user === undefined) throw new UnauthorizedException();
      return user;
    },
    recipient: () => 'owner@example.com',
  },
  numeric: { subject: () => 7 as unknown as string, recipient: () => 'owner@example.com' },
  nobody: { subject: () => '', recipient: () => 'owner@example.com' },
} satisfies Record<string, PurposeDefinition>;

/** One application for all tests of a file. It has no limits, because these tests send one person many codes. */
export async function startControllerApp(adapter: AbstractHttpAdapter): Promise<HttpTestApp> {
  const app: HttpTestApp = await startHttpApp({
    adapter,
    options: {
      controller: true,
      purposes,
      limits: false,
      senders: {
        default: { backend: () => (delivery) => app.inbox.send(delivery) },
        email: { backend: () => (delivery) => app.inbox.send(delivery) },
      },
    },
  });
  return app;
}

// Applications with a failover of two providers, and what they send.
import { Logger } from '@nestjs/common';
import { vi } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import { failoverBackend, type FailoverOptions } from '../../lib/backends/failover/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { webhookBackend } from '../../lib/backends/webhook/index.js';
import {
  defineSender,
  TwoFactorEvents,
  type SenderDefinition,
  type TwoFactorEvent,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { CREDENTIALS, TWILIO, WEBHOOK } from '../support/provider-fixtures.js';
import { startProvider, type ProviderServer, type Reply } from '../support/provider-server.js';
import {
  startScriptedSmtpServer,
  type ScriptedSmtpServer,
} from '../support/scripted-smtp-server.js';
import { startApp, type TestApp } from '../support/test-app.js';

export const DOWN: Reply = { status: 503, body: 'down' };
export const PASSED_OVER = 'Sender default passes over first for 30 seconds.';

/** What the tests of a file have started. Each file ends it after each test. */
export const ends: (() => unknown)[] = [];

export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).toReversed()) await end();
}

export const number = (n: number): string => `+1${200 + n}5550123`;

export interface World {
  readonly app: TestApp;
  /** The first provider, Twilio. */
  readonly first: ProviderServer;
  /** The second provider, a webhook. */
  readonly second: ProviderServer;
  readonly events: TwoFactorEvent[];
  readonly warnings: string[];
}

export async function startProviders(): Promise<[ProviderServer, ProviderServer]> {
  const servers: [ProviderServer, ProviderServer] = [
    await startProvider(TWILIO.usual),
    await startProvider(WEBHOOK.usual),
  ];
  for (const server of servers) ends.push(() => server.close());
  return servers;
}

export function sendersOf(
  first: ProviderServer,
  second: ProviderServer,
): FailoverOptions['senders'] {
  const { accountSid, authToken, messagingServiceSid, webhookKey } = CREDENTIALS;
  return {
    twilio: defineSender(twilioBackend, {
      options: { accountSid, authToken, messagingServiceSid, baseUrl: first.url },
    }),
    gateway: defineSender(webhookBackend, {
      options: { url: `${second.url}/codes`, key: webhookKey },
    }),
  };
}
/** The lines of warnings that are written from now on. */
export function recordWarnings(): string[] {
  const warnings: string[] = [];
  const spy = vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => {
    warnings.push(String(line));
  });
  ends.push(() => spy.mockRestore());
  return warnings;
}

/** An application whose messages go by these providers. */
export async function startFailover(
  options: FailoverOptions,
  more: TwoFactorModuleOptions = {},
): Promise<TestApp> {
  const app = await startApp({
    options: { senders: { default: defineSender(failoverBackend, { options }) }, ...more },
  });
  ends.push(() => app.close());
  return app;
}

export async function startWorld(
  options: Partial<FailoverOptions> = {},
  more: TwoFactorModuleOptions = {},
): Promise<World> {
  const [first, second] = await startProviders();
  const warnings = recordWarnings();
  const app = await startFailover({ senders: sendersOf(first, second), ...options }, more);
  const events: TwoFactorEvent[] = [];
  app.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  return { app, first, second, events, warnings };
}

export async function startRelays(): Promise<[ScriptedSmtpServer, ScriptedSmtpServer]> {
  const servers: [ScriptedSmtpServer, ScriptedSmtpServer] = [
    await startScriptedSmtpServer(),
    await startScriptedSmtpServer(),
  ];
  for (const server of servers) ends.push(() => server.close());
  return servers;
}

export const relay = (port: number, transport: object): SenderDefinition =>
  defineSender(emailBackend, {
    options: {
      transport: { host: '127.0.0.1', port, ...transport },
      from: 'no-reply@acme.example',
    },
  });

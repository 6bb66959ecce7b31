// The log and the events of the worker must tell an operator which message failed and why, and nothing that opens a confirmation.
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { shortId } from '../../lib/crypto/index.js';
import {
  DeliveryService,
  TwoFactorEvents,
  TwoFactorRecipientError,
  type TwoFactorEvent,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { openDatabase, servers, type TestDatabase } from '../support/engines.js';
import { secretOf } from '../support/secret.js';
import { startApp, type TestApp } from '../support/test-app.js';

const TOKEN = 'ann@example.com';
const SUBJECT = 'subject-of-ann';
const LOGIN = { token: TOKEN, subject: SUBJECT, purpose: 'login' };

let test: TestApp;
let deliveries: DeliveryService;
const lines: string[] = [];
const events: TwoFactorEvent[] = [];

const start = async (
  options: TwoFactorModuleOptions = {},
  database?: TestDatabase,
): Promise<void> => {
  test = await startApp({
    ...(database === undefined ? {} : { database }),
    options: { delivery: 'queued', worker: false, ...options },
  });
  deliveries = test.app.get(DeliveryService, { strict: false });
  test.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
};

beforeEach(() => {
  for (const level of ['warn', 'debug'] as const) {
    vi.spyOn(Logger.prototype, level).mockImplementation((line: unknown) => {
      lines.push(`${level}: ${String(line)}`);
    });
  }
});
afterEach(async () => {
  vi.restoreAllMocks();
  lines.length = 0;
  events.length = 0;
  await test.close();
});

function expectNothingSecret(code: string): void {
  const told = JSON.stringify([lines, events.map((event) => ({ ...event, subject: '' }))]);
  for (const secret of [code, TOKEN, SUBJECT]) expect(told).not.toContain(secret);
}

describe('The worker', () => {
  it('tells each call that failed, and that a message was given up', async () => {
    await start();
    const { id, state } = await test.twoFactor.request(LOGIN);
    const code = state.code!;
    for (let call = 0; call < 3; call += 1) {
      test.inbox.failNext(new Error(`No route for ${TOKEN}, text ${code}.`));
      await deliveries.sweep();
      test.clock.advance(40);
    }
    const name = shortId(id);

    expect(lines.filter((line) => line.startsWith('warn: Sender'))).toHaveLength(3);
    expect(lines).toContain(
      `warn: The message 1 of confirmation ${name} was given up after 3 calls: send-failed.`,
    );
    expect(events.map(({ type }) => type)).toEqual([
      'created',
      'send-failed',
      'send-failed',
      'send-failed',
      'delivery-failed',
    ]);
    expect(events.at(-1)).toMatchObject({
      confirmation: name,
      way: 'default',
      purpose: 'login',
      sends: 1,
      reason: 'send-failed',
      recipient: { masked: 'a***@e***.com' },
    });
    expectNothingSecret(code);
  });

  it('logs once that a recipient can never be reached', async () => {
    await start();
    const { id, state } = await test.twoFactor.request(LOGIN);
    test.inbox.failNext(new TwoFactorRecipientError(`${TOKEN} does not exist.`));
    await deliveries.sweep();

    expect(lines).toContain(
      `warn: The message 1 of confirmation ${shortId(id)} was given up after 1 calls: recipient-not-allowed.`,
    );
    expect(events.slice(1)).toMatchObject([
      { type: 'send-failed', isPermanent: true },
      { type: 'delivery-failed', reason: 'recipient-not-allowed' },
    ]);
    expectNothingSecret(state.code!);
  });

  it('logs at the level debug which message it dropped', async () => {
    await start();
    const { id, state } = await test.twoFactor.request(LOGIN);
    await test.confirmer.cancel(id);
    await deliveries.sweep();

    expect(lines).toContain(
      `debug: The message 1 of confirmation ${shortId(id)} was dropped: cancelled.`,
    );
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([]);
    expect(events.at(-1)).toMatchObject({
      type: 'delivery-dropped',
      sends: 1,
      reason: 'cancelled',
    });
    expectNothingSecret(state.code!);
  });

  it('tells that a message stays in the queue when the database fails around its call', async () => {
    await start();
    const { id, state } = await test.twoFactor.request(LOGIN);
    await test.dataSource.query(
      'ALTER TABLE two_factor_confirmation RENAME TO two_factor_confirmation_away',
    );
    await deliveries.sweep();
    await test.dataSource.query(
      'ALTER TABLE two_factor_confirmation_away RENAME TO two_factor_confirmation',
    );

    expect(lines.find((line) => line.includes('stays in the queue'))).toContain(
      `The message 1 of confirmation ${shortId(id)} stays in the queue: `,
    );
    expect(test.inbox.deliveries).toEqual([]);
    // It is due again after the lease.
    test.clock.advance(41);
    expect(await deliveries.sweep()).toBe(1);
    expect(test.inbox.deliveries).toHaveLength(1);
    expectNothingSecret(state.code!);
  });

  it('tells that it leaves a message to an instance that has its secret', async () => {
    // sql.js keeps its database in memory, so that no second application finds it.
    const shared = await openDatabase(servers[0] ?? 'better-sqlite3');
    await start({}, shared);
    const { id, state } = await test.twoFactor.request(LOGIN);
    const first = test;
    await start({ secret: secretOf('another application') }, shared);
    await deliveries.sweep();

    expect(lines).toContain(
      `warn: The message 1 of confirmation ${shortId(id)} is left to another instance: this one lacks its secret or its sender.`,
    );
    expect(test.inbox.deliveries).toEqual([]);
    expectNothingSecret(state.code!);
    await first.close();
    const second = test;
    test = { ...second, close: () => second.close().then(() => shared.drop()) };
  });
});

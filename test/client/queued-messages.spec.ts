// A page whose message is queued. One that asks nothing lets a person wait for a message that the provider has refused.
import { createTwoFactorClient, type TwoFactorClient } from 'nestjs-two-factor/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { CodeFlow } from '../../lib/client/element/code-flow.js';
import { DeliveryService, TwoFactorRecipientError } from '../../lib/index.js';
import { MANY } from '../support/factor-routes.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

describe('A page whose message is queued', () => {
  let test: HttpTestApp;
  let client: TwoFactorClient;
  let checks = 0;
  let users = 0;
  let flow: CodeFlow;

  beforeAll(async () => {
    test = await startHttpApp({
      options: {
        controller: true,
        delivery: 'queued',
        worker: false,
        limits: MANY,
        purposes: { '': { open: true } },
      },
    });
    const url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
    const counting: typeof fetch = (input, init) => {
      if ((input as string).endsWith('/check')) checks += 1;
      return fetch(input, init);
    };
    client = createTwoFactorClient({ url, fetch: counting });
  });
  beforeEach(async () => {
    checks = 0;
    users += 1;
    const body = { token: `user${users}@example.com` };
    flow = new CodeFlow({
      client: () => client,
      request: () => ({ body, flow: undefined }),
      changed: () => undefined,
    });
    await flow.start();
  });
  afterAll(() => test?.close());

  const sweep = (): Promise<number> => test.app.get(DeliveryService, { strict: false }).sweep();

  async function pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) await flow.followDelivery();
  }

  it('reports that the recipient cannot be reached, and stops polling', async () => {
    test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    await sweep();
    await pass(1);
    expect(flow.state).toMatchObject({
      phase: 'open',
      delivery: 'failed',
      problem: { error: 'recipient-not-allowed' },
    });

    await pass(60);
    expect(checks).toBe(1);
  });

  it('asks in pauses that double up to five seconds, until the message was sent', async () => {
    expect(flow.state).toMatchObject({ phase: 'open', method: 'code', delivery: 'queued' });
    await pass(7);
    expect(flow.state).toMatchObject({ delivery: 'queued', notice: null });
    await pass(53);
    // After 1, 2, 4 and 8 seconds, and then ten times.
    expect(checks).toBe(14);
    expect(flow.state).toMatchObject({ delivery: 'queued', notice: 'delayed', problem: null });
    await sweep();
    await pass(4);
    expect(flow.state).toMatchObject({ delivery: 'sent', notice: null, problem: null });

    await pass(600);
    expect(checks).toBe(15);
    await flow.confirm(test.inbox.lastCode);
    expect(flow.state.phase).toBe('confirmed');
  });

  it('asks again only after an answer, however slow the server is, and then in the same pauses', async () => {
    let open = 0;
    let most = 0;
    let release = (): void => undefined;
    const until = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: TwoFactorClient = {
      ...client,
      check: async (id) => {
        open += 1;
        most = Math.max(most, open);
        await until;
        open -= 1;
        return client.check(id);
      },
    };
    users += 1;
    const body = { token: `user${users}@example.com` };
    flow = new CodeFlow({
      client: () => slow,
      request: () => ({ body, flow: undefined }),
      changed: () => undefined,
    });
    await flow.start();
    const asked = Array.from({ length: 60 }, () => flow.followDelivery());
    release();
    await Promise.all(asked);
    expect({ most, checks }).toEqual({ most: 1, checks: 1 });

    await pass(10);
    expect(checks).toBe(3);
  });

  it('keeps quiet about the failure of a message that the person no longer waits for', async () => {
    test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));
    await sweep();
    expect(flow.state.delivery).toBe('queued');
    const asking = pass(1);
    flow.reset();
    await asking;

    expect(checks).toBe(1);
    expect(flow.state).toMatchObject({ phase: 'idle', problem: null });
  });
});

// A fixed code must confirm for its recipient and its purposes alone, within all limits, until its date, and leave a trace.
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  DeliveryService,
  FactorService,
  rememberedDevices,
  TwoFactorConfigurationError,
  TwoFactorEvents,
  type TwoFactorEvent,
  type TwoFactorModuleExtras,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { drawCanaryCode, WRONG_CODE } from '../support/canaries.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { startApp, TestClock } from '../support/test-app.js';

const REVIEWER = 'reviewer@example.com';
const FIXED = drawCanaryCode();
const DAY_SECONDS = 86_400;

interface World {
  readonly app: HttpTestApp;
  readonly clock: TestClock;
  readonly events: TwoFactorEvent[];
  readonly warnings: string[];
}

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const recipients = (clock: TestClock, change: object = {}) => [
  {
    token: REVIEWER,
    code: FIXED,
    purposes: ['login'],
    validUntil: new Date(clock.now() + 30 * DAY_SECONDS * 1_000),
    ...change,
  },
];

function recordWarnings(): string[] {
  const warnings: string[] = [];
  const spy = vi.spyOn(Logger.prototype, 'warn').mockImplementation((line: unknown) => {
    warnings.push(String(line));
  });
  ends.push(() => spy.mockRestore());
  return warnings;
}

async function start(options: TwoFactorModuleOptions & TwoFactorModuleExtras = {}): Promise<World> {
  const warnings = recordWarnings();
  const clock = new TestClock();
  const app = await startHttpApp({
    options: {
      controller: true,
      clock,
      purposes: { login: { open: true }, other: { open: true } },
      testRecipients: recipients(clock),
      ...options,
    },
  });
  ends.push(() => app.close());
  const events: TwoFactorEvent[] = [];
  app.app.get(TwoFactorEvents, { strict: false }).subscribe((event) => events.push(event));
  warnings.length = 0;
  return { app, clock, events, warnings };
}

async function ask(
  { app }: Pick<World, 'app'>,
  token = REVIEWER,
  purpose = 'login',
): Promise<string> {
  const answer = await app.post('/2factor/request-confirmation', { token, purpose });
  expect(answer).toMatchObject({ status: 200 });
  return (answer.body as { id: string }).id;
}

const confirm = async ({ app }: Pick<World, 'app'>, id: string, code: string): Promise<number> =>
  (await app.post('/2factor/confirm', { id, code })).status;

it('remembers no device by the fixed code of a test recipient, which would outlive its date', async () => {
  const { app } = await start({
    methods: [rememberedDevices({ token: () => undefined })],
    testRecipients: [],
  });
  const { app: test } = await start({ methods: [rememberedDevices({ token: () => undefined })] });
  const remembered = async ({ twoFactor, confirmer, ...each }: HttpTestApp, code?: string) => {
    const given = { subject: 'reviewer', purpose: 'login', token: REVIEWER };
    const { id } = await twoFactor.request(given);
    await confirmer.confirm(id, code ?? each.inbox.lastCode);
    expect(await confirmer.use(id, { subject: 'reviewer', purpose: 'login' })).toBe(true);
    return each.app.get(FactorService, { strict: false }).remember({ confirmation: id });
  };

  expect(await remembered(test, FIXED)).toBeNull();
  expect(await remembered(app)).not.toBeNull();
});

describe('A test recipient over HTTP', () => {
  it('is confirmed by the fixed code in any spelling of its token, and is sent nothing', async () => {
    const world = await start();

    for (const token of [REVIEWER, 'Reviewer@EXAMPLE.com.']) {
      expect(await confirm(world, await ask(world, token), FIXED)).toBe(200);
    }
    expect(world.app.inbox.deliveries).toEqual([]);
  });

  it('leaves a line in the log and an event for each message, without code and token', async () => {
    const world = await start();
    const id = await ask(world);
    world.clock.advance(60);
    expect(await world.app.post('/2factor/resend', { id })).toMatchObject({ status: 200 });
    await confirm(world, id, FIXED);

    const { events, warnings } = world;
    expect(events.map(({ type }) => type)).toEqual([
      'created',
      'test-recipient-used',
      'test-recipient-used',
      'confirmed',
    ]);
    expect(events[2]).toMatchObject({
      sends: 2,
      purpose: 'login',
      recipient: { masked: expect.stringMatching(/^r\*+@e\*+\.com$/) },
    });
    const line = `Confirmation ${id.slice(0, 14)}... by sender default is for a test recipient: nothing was sent, and a fixed code confirms it.`;
    expect(warnings).toEqual([line, line]);
    for (const told of [JSON.stringify(events), warnings.join('\n')]) {
      expect(told).not.toContain(FIXED);
      expect(told).not.toContain(REVIEWER);
    }
  });

  it('is an ordinary recipient for other purposes, and its code confirms for no other recipient', async () => {
    const world = await start();
    const { inbox } = world.app;
    const other = await ask(world, REVIEWER, 'other');

    expect(await confirm(world, other, FIXED)).not.toBe(200);
    expect(await confirm(world, other, inbox.lastCode)).toBe(200);
    expect(await confirm(world, await ask(world, 'ann@example.com'), FIXED)).not.toBe(200);
    expect(inbox.deliveries.map(({ token }) => token)).toEqual([REVIEWER, 'ann@example.com']);
  });

  it('is limited as others are: by messages, and by wrong codes', async () => {
    const world = await start({ limits: { sendsPerToken: [{ max: 2, perSeconds: 3_600 }] } });
    const id = await ask(world);
    await ask(world);
    const third = await world.app.post('/2factor/request-confirmation', {
      token: REVIEWER,
      purpose: 'login',
    });
    expect(third.status).toBe(429);

    for (let guess = 0; guess < 5; guess += 1) {
      expect(await confirm(world, id, WRONG_CODE)).not.toBe(200);
    }
    expect(await confirm(world, id, FIXED)).not.toBe(200);
  });

  it.each(['same', 'rotate'] as const)(
    'keeps its code when it is asked again with resend: %s',
    async (resend) => {
      const world = await start({ resend });
      const id = await ask(world);
      world.clock.advance(60);
      await world.app.post('/2factor/resend', { id });

      expect(await confirm(world, id, FIXED)).toBe(200);
      expect(world.app.inbox.deliveries).toEqual([]);
    },
  );

  it('is one confirmation and one use when the request is repeated with its key', async () => {
    const world = await start();
    const headers = { 'idempotency-key': 'a'.repeat(16) };
    const body = { token: REVIEWER, purpose: 'login' };
    const first = await world.app.post('/2factor/request-confirmation', body, headers);
    const again = await world.app.post('/2factor/request-confirmation', body, headers);
    const { id } = first.body as { id: string };

    expect(again.body).toMatchObject({ id });
    expect(world.warnings).toHaveLength(1);
    expect(await confirm(world, id, FIXED)).toBe(200);
    expect(world.app.inbox.deliveries).toEqual([]);
  });
});

describe('A test recipient after validUntil', () => {
  it('is sent a drawn code, and the fixed one confirms no new request', async () => {
    const world = await start();
    world.clock.advance(30 * DAY_SECONDS);
    const id = await ask(world);
    const { lastCode } = world.app.inbox;

    expect(lastCode).not.toBe(FIXED);
    expect(await confirm(world, id, FIXED)).not.toBe(200);
    expect(await confirm(world, id, lastCode)).toBe(200);
    expect(world.warnings).toEqual([]);
  });

  it('is sent a new code when it asks again for a confirmation that was made before', async () => {
    const world = await start();
    world.clock.advance(30 * DAY_SECONDS - 60);
    const id = await ask(world);
    world.clock.advance(60);
    expect(await world.app.post('/2factor/resend', { id })).toMatchObject({ status: 200 });
    const { deliveries, lastCode } = world.app.inbox;

    expect(deliveries).toHaveLength(1);
    expect(lastCode).not.toBe(FIXED);
    expect(await confirm(world, id, FIXED)).not.toBe(200);
    expect(await confirm(world, id, lastCode)).toBe(200);
  });

  it('is warned of by a boot on a later day, which does not fail', async () => {
    const warnings = recordWarnings();
    const clock = new TestClock();
    const validUntil = new Date(clock.now() - DAY_SECONDS * 1_000);
    const app = await startApp({
      options: { clock, testRecipients: recipients(clock, { validUntil }) },
    });
    ends.push(() => app.close());

    expect(warnings).toEqual([
      `testRecipients[0] has ended at ${validUntil.toISOString()} and is an ordinary recipient now. Remove it.`,
    ]);
    await app.twoFactor.request({ token: REVIEWER, purpose: 'login' });
    expect(app.inbox.deliveries).toHaveLength(1);
  });
});

describe('A test recipient', () => {
  it('gets the fixed code with its message when a service made the confirmation without one', async () => {
    const { app, events } = await start();
    const made = await app.confirmer.makeConfirmation({ purpose: 'login' });
    const drawn = made.code!;
    await app.sender.send(null, REVIEWER, made);

    expect(await app.confirmer.confirm(made.id, drawn)).toEqual([expect.anything(), false]);
    expect(await app.confirmer.confirm(made.id, FIXED)).toEqual([expect.anything(), true]);
    expect(events.map(({ type }) => type)).toContain('test-recipient-used');
    expect(app.inbox.deliveries).toEqual([]);
  });

  it('gets a drawn code of a confirmation that the application delivers itself', async () => {
    const { app } = await start();
    const made = await app.confirmer.makeConfirmation({ purpose: 'login', token: REVIEWER });

    expect(made.code).not.toBe(FIXED);
  });

  it('is sent nothing from the queue, also when its date has passed before the sweep', async () => {
    const world = await start({ delivery: 'queued', worker: false });
    const deliveries = world.app.app.get(DeliveryService, { strict: false });
    const first = await ask(world);
    expect(await deliveries.sweep()).toBe(1);
    expect(await deliveries.status(first)).toEqual({ delivery: 'sent' });
    world.clock.advance(30 * DAY_SECONDS - 60);
    const last = await ask(world);
    world.clock.advance(60);
    expect(await deliveries.sweep()).toBe(1);

    expect(world.app.inbox.deliveries).toEqual([]);
    expect(await confirm(world, last, FIXED)).toBe(200);
    const types = world.events.map(({ type }) => type);
    expect(types.filter((type) => type === 'test-recipient-used')).toHaveLength(2);
    expect(types).not.toContain('sent');
  });

  it('is refused at boot when the list has it twice, or no request could name its token', async () => {
    const clock = new TestClock();
    const boot = (testRecipients: ReturnType<typeof recipients>): Promise<unknown> =>
      startApp({ options: { clock, testRecipients } });
    const twice = [...recipients(clock), ...recipients(clock, { token: 'REVIEWER@example.com' })];

    await expect(boot(twice)).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot(twice)).rejects.toThrow(
      'Option testRecipients[1] is a recipient that stands before it in the list. Give one entry with all purposes.',
    );
    await expect(boot(recipients(clock, { token: ' reviewer@example.com' }))).rejects.toThrow(
      'Option testRecipients[0].token is refused in a request',
    );
  });
});

describe('In production', () => {
  it('a test recipient that is allowed twice works, and each boot warns of it', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    ends.push(() => void vi.unstubAllEnvs());
    const warnings = recordWarnings();
    const clock = new TestClock();
    const testRecipients = recipients(clock);
    const app = await startApp({
      options: { clock, testRecipients, allowTestRecipientsInProduction: [REVIEWER] },
    });
    ends.push(() => app.close());

    expect(warnings).toContain(
      `testRecipients[0] has a fixed code in production until ${testRecipients[0]!.validUntil.toISOString()}.`,
    );
    const { state } = await app.twoFactor.request({ token: REVIEWER, purpose: 'login' });
    expect(await app.confirmer.confirm(state.id, FIXED)).toEqual([state, true]);
  });
});

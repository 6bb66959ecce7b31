// A person who begins with an app and chooses another way. What is approved stays one confirmation: a second one would be
// approved beside it, or instead of the one that the page shows.
import { createTwoFactorClient } from 'nestjs-two-factor/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { CodeFlow } from '../../lib/client/element/code-flow.js';
import { ConfirmationRecord, TwoFactorRecipientError } from '../../lib/index.js';
import { enrolApp, METHODS, type EnrolledSubject } from '../support/authenticator.js';
import { FACTORS, MANY } from '../support/factor-routes.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';

describe('A person who chooses another method', () => {
  let test: HttpTestApp;
  let url: string;
  let person: EnrolledSubject;
  let users = 0;
  /** The session storage of a tab, which survives a reload. */
  let tab: Map<string, string>;

  beforeAll(async () => {
    test = await startHttpApp({
      options: {
        controller: true,
        limits: MANY,
        methods: METHODS,
        purposes: { pay: { ...FACTORS, methods: ['totp', 'code', 'recovery'] } },
      },
    });
    url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
  });
  beforeEach(async () => {
    tab = new Map();
    person = await enrolApp(test, `person-${(users += 1)}`);
  });
  afterAll(() => test?.close());

  /** What a page has after it was loaded. */
  function load(): CodeFlow {
    const client = createTwoFactorClient({
      url,
      headers: { 'x-user': person.subject },
      storage: {
        getItem: (name) => tab.get(name) ?? null,
        setItem: (name, value) => void tab.set(name, value),
        removeItem: (name) => void tab.delete(name),
      },
    });
    return new CodeFlow({
      client: () => client,
      request: () => ({ body: { purpose: 'pay' }, flow: undefined }),
      changed: () => undefined,
    });
  }

  async function begun(): Promise<CodeFlow> {
    const flow = load();
    await flow.start();
    expect(flow.state).toMatchObject({ phase: 'open', method: 'totp' });
    return flow;
  }

  const confirmations = (): Promise<number> =>
    test.dataSource.getRepository(ConfirmationRecord).countBy({ subject: person.subject });

  it('has the first code of the same confirmation sent, once, and confirms it', async () => {
    const flow = await begun();
    const { id } = flow.state;
    const before = test.inbox.deliveries.length;

    await flow.choose('code');
    expect(flow.state).toMatchObject({
      id,
      method: 'code',
      others: ['totp', 'recovery'],
      codeLength: 20,
      recipient: 'p***@e***.com',
      problem: null,
      notice: null,
    });
    await flow.choose('totp');
    await flow.choose('code');
    await flow.confirm(test.inbox.lastCode);

    expect(flow.state).toMatchObject({ phase: 'confirmed', id });
    expect(test.inbox.deliveries).toHaveLength(before + 1);
    expect(await confirmations()).toBe(1);
  });

  it('finds the sent code again after the page was reloaded', async () => {
    await (await begun()).choose('code');
    const before = test.inbox.deliveries.length;
    const reloaded = await begun();

    await reloaded.choose('code');

    expect(reloaded.state).toMatchObject({ method: 'code', codeLength: 20, problem: null });
    await reloaded.confirm(test.inbox.lastCode);
    expect(reloaded.state.phase).toBe('confirmed');
    expect(test.inbox.deliveries).toHaveLength(before);
    expect(await confirmations()).toBe(1);
  });

  it.each([
    ['by that code', (flow: CodeFlow) => flow.confirm(test.inbox.lastCode)],
    [
      'by the app after a reload',
      async () => {
        const reloaded = await begun();
        await reloaded.confirm(person.app.code());
      },
    ],
  ])('leaves nothing of a sent code in the tab once it is confirmed %s', async (_, confirm) => {
    const flow = await begun();
    await flow.choose('code');
    expect([...tab.keys()].some((name) => name.endsWith(' first'))).toBe(true);
    await confirm(flow);

    expect([...tab.keys()]).toEqual([]);
  });

  it('goes back to the app of the same confirmation', async () => {
    const flow = await begun();
    const { id } = flow.state;
    await flow.choose('code');
    await flow.choose('totp');

    await flow.confirm(person.app.code());

    expect(flow.state).toMatchObject({ phase: 'confirmed', id });
    expect(await confirmations()).toBe(1);
  });

  it('can send the code again when its first message failed', async () => {
    const flow = await begun();
    const { id } = flow.state;
    test.inbox.failNext(new Error('The provider is down.'));

    await flow.choose('code');
    expect(flow.state).toMatchObject({ id, method: 'code', problem: { error: 'send-failed' } });
    test.clock.advance(30);
    await flow.choose('totp');
    await flow.choose('code');
    await flow.resend();

    expect(flow.state).toMatchObject({ notice: 'resent', problem: null });
    await flow.confirm(test.inbox.lastCode);
    expect(flow.state).toMatchObject({ phase: 'confirmed', id });
    expect(await confirmations()).toBe(1);
  });

  it('keeps the app when no code can be sent to the person', async () => {
    const flow = await begun();
    test.inbox.failNext(new TwoFactorRecipientError('No such mailbox.'));

    await flow.choose('code');

    expect(flow.state).toMatchObject({
      phase: 'open',
      method: 'totp',
      problem: { error: 'recipient-not-allowed' },
    });
    await flow.confirm(person.app.code());
    expect(flow.state.phase).toBe('confirmed');
  });

  it('requests a new confirmation after one that the request has narrowed to one method', async () => {
    const flow = load();
    // As after a refusal for too many tries, which offers the methods that cannot be guessed.
    await flow.choose('recovery');
    const { id } = flow.state;
    expect(flow.state).toMatchObject({ method: 'recovery', others: ['totp', 'code'] });

    await flow.choose('totp');

    expect(flow.state).toMatchObject({ phase: 'open', method: 'totp', problem: null });
    expect(flow.state.id).not.toBe(id);
    await flow.confirm(person.app.code());
    expect(flow.state.phase).toBe('confirmed');
  });
});

/**
 * What a person does twice: a double click, a reload, a second tab, a login that is started again. Each sequence runs over HTTP
 * with the default limits, and counts the confirmations, the messages, and how many requests the token has left.
 */
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { engines } from '../support/engines.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

/** Messages to one token in ten minutes, by default. */
const PLACES = 5;

interface Step {
  /** The header; absent for none. */
  readonly key?: string;
  /** Requests that are sent at the same time. */
  readonly times?: number;
  /** Seconds that pass before it. */
  readonly after?: number;
}

interface Sequence {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly confirmations: number;
  readonly messages: number;
  /** Requests that the token has left in the last ten minutes. */
  readonly left: number;
}

/** An answer as a repeat gives it that many seconds later: the members that count seconds from the answer have become smaller. */
function afterSeconds(body: unknown, seconds: number): object {
  const { expiresIn, resendIn, ...others } = body as { expiresIn: number; resendIn?: number };
  const left = resendIn === undefined ? {} : { resendIn: Math.max(0, resendIn - seconds) };
  return { ...others, expiresIn: expiresIn - seconds, ...left };
}

const FIRST = '"first-tab-4f0c9ab2"';
const SECOND = '"second-tab-77d1e0c3"';

const SEQUENCES: readonly Sequence[] = [
  {
    name: 'a double click with a key',
    steps: [{ key: FIRST, times: 2 }],
    confirmations: 1,
    messages: 1,
    left: 4,
  },
  {
    name: 'sixteen clicks at once with a key',
    steps: [{ key: FIRST, times: 16 }],
    confirmations: 1,
    messages: 1,
    left: 4,
  },
  {
    name: 'a double click without a key',
    steps: [{ times: 2 }],
    confirmations: 2,
    messages: 2,
    left: 3,
  },
  {
    name: 'seven reloads with a key',
    steps: [{ key: FIRST }, ...Array.from({ length: 7 }, () => ({ key: FIRST, after: 5 }))],
    confirmations: 1,
    messages: 1,
    left: 4,
  },
  {
    name: 'three reloads without a key',
    steps: [{}, { after: 5 }, { after: 5 }, { after: 5 }],
    confirmations: 4,
    messages: 4,
    left: 1,
  },
  {
    name: 'a second tab, with a key of its own',
    steps: [{ key: FIRST }, { key: SECOND }, { key: FIRST }, { key: SECOND }],
    confirmations: 2,
    messages: 2,
    left: 3,
  },
  {
    name: 'a login that is abandoned and started again with its key',
    steps: [{ key: FIRST }, { key: FIRST, after: 300 }],
    confirmations: 1,
    messages: 1,
    left: 4,
  },
  {
    name: 'a login that is abandoned and started again without a key',
    steps: [{}, { after: 300 }],
    confirmations: 2,
    messages: 2,
    left: 3,
  },
  {
    name: 'a login that is started again after the code has expired, with a new key',
    steps: [{ key: FIRST }, { key: SECOND, after: 660 }],
    confirmations: 2,
    messages: 2,
    left: 4,
  },
  {
    name: 'a reload with a key after all messages were used by other tabs',
    steps: [{ key: FIRST }, { times: 1 }, { times: 1 }, { times: 1 }, { times: 1 }, { key: FIRST }],
    confirmations: 5,
    messages: 5,
    left: 0,
  },
];

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];

const cases = engines.flatMap((engine) => adapters.map((adapter) => ({ engine, ...adapter })));

describe.each(cases)('Doing it twice on $engine, over $name:', ({ engine, create }) => {
  let test: HttpTestApp;
  let person = 0;

  beforeAll(async () => {
    test = await startHttpApp({
      engine,
      adapter: create(),
      options: {
        controller: true,
        // The defaults, also in the rounds without limits: the subject is what the limits count.
        limits: {},
        purposes: {
          'sign-up': { open: true },
          login: {
            subject: userOf,
            recipient: (context) => `${userOf(context)}@example.com`,
          },
        },
      },
    });
  });
  afterAll(() => test?.close());
  beforeEach(() => {
    person += 1;
    // The quota of this machine's address, ten messages an hour, begins anew.
    test.clock.advance(3_601);
  });

  const headersOf = (key: string | undefined, user?: string): Record<string, string> => ({
    // Each person's browser draws keys of its own.
    ...(key === undefined ? {} : { 'idempotency-key': key.replace('-', `-${person}-`) }),
    ...(user === undefined ? {} : { 'x-user': user }),
  });
  const request = (key?: string): Promise<Answer> =>
    test.post(
      '/2factor/request-confirmation',
      { purpose: 'sign-up', token: `person-${person}@example.com` },
      headersOf(key),
    );
  const login = (key?: string): Promise<Answer> =>
    test.post(
      '/2factor/request-confirmation',
      { purpose: 'login' },
      headersOf(key, `user-${person}`),
    );
  const resend = (id: string, key?: string): Promise<Answer> =>
    test.post('/2factor/resend', { id }, headersOf(key));
  const idOf = ({ body }: Answer): string => (body as { id: string }).id;

  /** How many more requests are accepted now. */
  async function placesLeft(ask: () => Promise<Answer>): Promise<number> {
    for (let asked = 0; ; asked += 1) {
      const answer = await ask();
      if (answer.status === 429) return asked;
      expect(answer.status).toBe(200);
    }
  }

  async function run(steps: readonly Step[], ask: typeof request): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const { key, times = 1, after = 0 } of steps) {
      test.clock.advance(after);
      const asked = Array.from({ length: times }, () => ask(key));
      answers.push(...(await Promise.all(asked)));
    }
    return answers;
  }

  const doors = [
    { purpose: 'sign-up', ask: request },
    { purpose: 'login', ask: login },
  ];
  describe.each(doors)('the purpose $purpose', ({ ask }) => {
    it.each(SEQUENCES)(
      'answers $name with $confirmations confirmations and $messages messages',
      async ({ steps, confirmations, messages, left }) => {
        const sent = test.inbox.deliveries.length;
        const answers = await run(steps, ask);
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
        expect(new Set(answers.map(idOf)).size).toBe(confirmations);
        expect(test.inbox.deliveries.length - sent).toBe(messages);
        expect(await placesLeft(ask)).toBe(left);
        expect(messages).toBeLessThanOrEqual(PLACES);
      },
    );

    it('answers a repeat with exactly what the first call was answered', async () => {
      const first = await ask(FIRST);
      test.clock.advance(7);
      const later = afterSeconds(first.body, 7);
      expect((await ask(FIRST)).body).toStrictEqual(later);
      // Both spellings of the header are one key.
      expect((await ask(FIRST.slice(1, -1))).body).toStrictEqual(later);
    });

    it('keeps every confirmation of repeated requests without a key valid', async () => {
      const sent = test.inbox.deliveries.length;
      const answers = await run([{}, { after: 5 }, { after: 5 }], ask);
      const codes = test.inbox.deliveries.slice(sent).map(({ code }) => code);
      for (const [at, answer] of answers.entries()) {
        const body = { id: idOf(answer), code: codes[at] };
        const confirmed = await test.post(
          '/2factor/confirm',
          body,
          headersOf(undefined, `user-${person}`),
        );
        expect(confirmed).toMatchObject({ status: 200, body: { confirmed: true } });
      }
    });
  });

  it('does not answer the owner with the confirmation of a thief who asked first', async () => {
    const thief = idOf(await login('"a-key-of-the-thief-1"'));
    const plain = idOf(await login());
    const owner = idOf(await login(FIRST));
    expect(new Set([thief, plain, owner]).size).toBe(3);
    const body = { id: owner, code: test.inbox.lastCode };
    const answer = await test.post(
      '/2factor/confirm',
      body,
      headersOf(undefined, `user-${person}`),
    );
    expect(answer.status).toBe(200);
    const [state] = await test.confirmer.check(thief);
    expect(state?.status).toBe('pending');
  });

  it.each([2, 8])(
    'sends only one message when %i concurrent resends have the same key',
    async (times) => {
      const id = idOf(await request(FIRST));
      test.clock.advance(31);
      const sent = test.inbox.deliveries.length;
      const answers = await Promise.all(Array.from({ length: times }, () => resend(id, SECOND)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      for (const each of answers) expect(each.body).toStrictEqual(answers[0]?.body);
      expect(test.inbox.deliveries.length - sent).toBe(1);
      expect((await test.row(id)).sends).toBe(2);
      // Two of the five messages are used, however often the button was pressed.
      expect(await placesLeft(() => request())).toBe(PLACES - 2);
    },
  );

  it('answers a second resend without an idempotency key with the time to wait', async () => {
    const id = idOf(await request());
    test.clock.advance(31);
    const sent = test.inbox.deliveries.length;
    expect((await resend(id)).status).toBe(200);
    expect(await resend(id)).toBeProblem(429, 'too-many-requests', { retryAfter: 60 });
    expect(test.inbox.deliveries.length - sent).toBe(1);
  });

  it('remembers the keys of all resends, and takes a new one for the next message', async () => {
    const id = idOf(await request());
    const sent = test.inbox.deliveries.length;
    test.clock.advance(31);
    await resend(id, FIRST);
    test.clock.advance(61);
    const second = await resend(id, SECOND);
    expect((await resend(id, FIRST)).body).toStrictEqual(second.body);
    expect(await resend(id, '"a-third-key-of-mine"')).toBeProblem(429, 'too-many-requests', {
      retryAfter: 120,
    });
    expect(test.inbox.deliveries.length - sent).toBe(2);
    // A repeat is answered also after the code was confirmed.
    await test.post('/2factor/confirm', { id, code: test.inbox.lastCode });
    expect((await resend(id, SECOND)).status).toBe(200);
    expect(await resend(id)).toBeProblem(409, 'already-confirmed');
    expect(test.inbox.deliveries.length - sent).toBe(2);
  });

  it('lets a naive memory of keys send a message for each click', async () => {
    const sent = test.inbox.deliveries.length;
    const answers = new Map<string, Answer>();
    const naive = async (key: string): Promise<Answer> => {
      const known = answers.get(key);
      if (known) return known;
      const answer = await request();
      answers.set(key, answer);
      return answer;
    };
    await Promise.all([naive(FIRST), naive(FIRST)]);
    expect(test.inbox.deliveries.length - sent).toBe(2);
  });
});

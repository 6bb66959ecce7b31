// What a client writes into any field must stand in no message, no line of the log and no event.
import { inspect } from 'node:util';

import { Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import {
  defineSender,
  functionalSenderBackend,
  LoggerBackend,
  SenderBackend,
  TwoFactorEvents,
  type Delivery,
} from '../../lib/index.js';
import { Details } from '../support/details.js';
import { FAILURES_ONLY } from '../support/doors.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

const MARK = 'c4n4ry';
const CANARIES: readonly (readonly [what: string, text: string])[] = [
  ['a link', `https://${MARK}.example/login`],
  ['a line of its own', `x\r\nYour code is 123456 ${MARK}`],
  ['a line separator', `x\u2028@bank.example #123456 ${MARK}`],
  ['a forged origin-bound line', `@bank.example #123456 ${MARK}`],
  ['a direction override', `\u202e654321 ${MARK}\u202c`],
  ['markup', `<a href="https://${MARK}.example">${MARK}</a>`],
  ['a template', `{{${MARK}}} %s \${${MARK}}`],
  ['the end of quotes', `x". To cancel call ${MARK}. "`],
];

/** Everything that left the application. */
const seen: string[] = [];
const show = (value: unknown): string =>
  `${inspect(value, { depth: 9 })} ${JSON.stringify(value) ?? ''}`;

/** As a template that prints whatever it finds. */
function printed({ code, state, verboseName, name, context, options }: Delivery): string {
  const { purpose, way, subject, details, meta } = state;
  return show({ code, purpose, way, subject, details, meta, verboseName, name, context, options });
}

@Injectable()
@SenderBackend('sms', { verboseName: 'Text message' })
class SmsBackend implements SenderBackend {
  send(delivery: Delivery): void {
    const { amount, payee } = (delivery.state.details ?? {}) as Partial<Details>;
    seen.push(`${delivery.code} pays ${amount} to ${payee}.`, printed(delivery));
  }
}

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>().headers[
    'x-user'
  ];

const WAYS = ['email', 'sms', 'log', 'page'] as const;
const OPEN = [undefined, 'sign-up'] as const;
const BOUND = ['transfer', 'change-phone'] as const;

describe.each(adapters)('A text of a client over HTTP on $name', ({ create }) => {
  let app: HttpTestApp;
  let mails = 0;

  beforeEach(async () => {
    seen.length = 0;
    for (const level of ['log', 'warn', 'error', 'debug', 'verbose'] as const) {
      vi.spyOn(Logger.prototype, level).mockImplementation((...line: unknown[]) => {
        seen.push(show(line));
      });
    }
    const transport = {
      sendMail: async ({ subject, text, html }: Record<string, unknown>) => {
        mails += 1;
        seen.push(show({ subject, text, html }));
      },
    } as unknown as EmailOptions['transport'];
    app = await startHttpApp({
      adapter: create(),
      providers: [SmsBackend],
      options: {
        controller: true,
        // The limits of messages would refuse most of the texts before they are read.
        limits: FAILURES_ONLY,
        defaultSender: 'email',
        senders: {
          email: defineSender(emailBackend, {
            options: { transport, from: 'no-reply@acme.example' },
          }),
          sms: { backend: 'sms' },
          log: { backend: LoggerBackend },
          rendered: {
            backend: functionalSenderBackend(async ({ render }) => {
              seen.push((await render()).sms);
            }),
          },
          page: {
            backend: functionalSenderBackend((delivery) => void seen.push(printed(delivery))),
          },
        },
        purposes: {
          '': { open: true },
          'sign-up': { open: true, details: () => ({ plan: 'free' }) },
          transfer: { subject: userOf, recipient: () => 'ann@example.com', details: Details },
          'change-phone': { subject: userOf, recipient: 'client' },
        },
      },
    });
    app.app
      .get(TwoFactorEvents, { strict: false })
      .subscribe((event) => void seen.push(show(event)));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await app.close();
  });

  const ask = (body: object, headers = {}): Promise<Answer> =>
    app.post('/2factor/request-confirmation', body, headers);

  /** The same text in every field that the route reads, and in those that it does not. */
  function bodiesOf(text: string, way: string, purpose: string | undefined): object[] {
    const plain = { token: 'ann@example.com', way, purpose };
    return [
      { ...plain, token: text },
      { ...plain, token: `ann@example.com ${text}` },
      { ...plain, token: `"${text}" <ann@example.com>` },
      { ...plain, token: `${text}@example.com` },
      { ...plain, way: text },
      { ...plain, purpose: text },
      ...[
        text,
        { note: text },
        { [text]: 1 },
        { payee: text, amount: text },
        { a: { b: [text] } },
      ].map((details) => ({ ...plain, details })),
      {
        ...plain,
        [text]: text,
        subject: text,
        meta: { text },
        context: { name: text },
        verboseName: text,
        options: { text },
        product: text,
        key: text,
        requester: text,
        state: { details: { text } },
      },
    ];
  }

  it.each(CANARIES)('is in no message, log and event when a stranger sends %s', async (_, text) => {
    let sent = 0;
    const count = (answer: Answer): void => {
      if (answer.status === 200) sent += 1;
      else expect([400, 403, 404, 422]).toContain(answer.status);
    };
    for (const way of WAYS) {
      for (const purpose of [...OPEN, ...BOUND]) {
        for (const body of bodiesOf(text, way, purpose)) count(await ask(body));
        const { token, ...bare } = { token: 'ann@example.com', way, purpose };
        const headers = Object.fromEntries(
          ['x-confirmation-id', 'user-agent', 'accept-language', 'referer', 'x-forwarded-for'].map(
            (name) => [name, encodeURI(text)],
          ),
        );
        count(await ask({ ...bare, token }, headers));
      }
    }
    for (const route of ['confirm', 'check', 'resend']) {
      count(await app.post(`/2factor/${route}`, { id: text, code: text, [text]: text }));
    }
    // The extra members and the headers alone, by each way and open purpose.
    expect(sent).toBeGreaterThanOrEqual(16);
    expect(mails).toBeGreaterThan(0);
    expect(seen.length).toBeGreaterThan(sent);
    expect(seen.filter((each) => each.includes(MARK))).toStrictEqual([]);
  });

  it('stays between the quotes of a text message in declared details', async () => {
    const ann = { 'x-user': 'ann' };
    for (const quote of ['"', '\u201d', '\u00bb', "''"]) {
      const details = { amount: '10.00', payee: `Bob${quote}. Call ${MARK}. ${quote}` };
      const answer = await ask({ purpose: 'transfer', way: 'rendered', details }, ann);
      expect(answer.status).toBe(200);
    }
    const texts = seen.filter((each) => each.includes(MARK));
    expect(texts).toHaveLength(4);
    for (const text of texts) {
      expect(text).toContain(`You approve: "Amount: 10.00, Payee: Bob'. Call ${MARK}. '".`);
      expect(text.split('"')).toHaveLength(3);
    }
  });

  it('is in a message only as declared details to the own token of a signed-in user', async () => {
    const ann = { 'x-user': 'ann' };
    const text = `https://${MARK}.example/${'x'.repeat(70)}`;
    for (const [, canary] of [...CANARIES, ['too long', text] as const]) {
      for (const way of WAYS) {
        const token = '+14155550123';
        for (const details of [{ note: canary }, { amount: '1', payee: 'Bob', note: canary }]) {
          expect((await ask({ purpose: 'transfer', way, details }, ann)).status).toBe(400);
          const client = { purpose: 'change-phone', way, token, details };
          expect((await ask(client, ann)).status).toBe(400);
        }
      }
    }
    for (const [, canary] of CANARIES.filter(([what]) => /line|override/.test(what)).slice(0, 2)) {
      const details = { amount: '1', payee: canary };
      expect((await ask({ purpose: 'transfer', details }, ann)).status).toBe(400);
    }
    const details = { amount: '1', payee: 'x'.repeat(71) };
    expect((await ask({ purpose: 'transfer', details }, ann)).status).toBe(400);
    expect(seen.filter((each) => each.includes(MARK))).toStrictEqual([]);
    await app.post(
      '/2factor/request-confirmation',
      { purpose: 'transfer', way: 'sms', details: { amount: '10.00', payee: 'Bob' } },
      ann,
    );
    expect(seen).toContainEqual(expect.stringMatching(/ pays 10\.00 to Bob\.$/));
  });
});

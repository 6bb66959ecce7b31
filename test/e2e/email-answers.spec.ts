import { ConsoleLogger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import { mailError } from '../../lib/backends/email/mail-error.js';
import { smtpFaultOf, type SmtpFault } from '../../lib/backends/email/smtp-answer.js';
import { defineSender, SendFailure, type Delivery, type TwoFactorError } from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import {
  startScriptedSmtpServer,
  type ScriptedSmtpServer,
  type SmtpStep,
} from '../support/scripted-smtp-server.js';
import { secretOf } from '../support/secret.js';
import { RECIPIENT, SENDER_ADDRESS, SMTP_ANSWERS } from '../support/smtp-answers.js';
import { SEEN } from '../support/smtp-faults.js';
import { startApp, type TestApp } from '../support/test-app.js';

const CODE = drawCanaryCode();
const logged: string[] = [];

class LogRecorder extends ConsoleLogger {
  override warn(message: unknown): void {
    logged.push(String(message));
  }
}

let server: ScriptedSmtpServer;
let app: TestApp;

beforeAll(async () => {
  server = await startScriptedSmtpServer();
  const transport = {
    host: '127.0.0.1',
    port: server.port,
    auth: { user: 'acme', pass: secretOf('the mail account') },
  };
  app = await startApp({
    override: (builder) => builder.setLogger(new LogRecorder()),
    options: {
      limits: false,
      codeGenerator: () => CODE,
      senders: {
        default: defineSender(emailBackend, { options: { transport, from: SENDER_ADDRESS } }),
      },
    },
  });
});

afterAll(async () => {
  await app.close();
  await server.close();
});

beforeEach(() => logged.splice(0));

/** The error of one request whose message the server refuses, and the code that the message would have carried. */
async function refusedBy(
  step: SmtpStep,
  answer: string,
  token = RECIPIENT,
): Promise<TwoFactorError> {
  server.refuse(step, answer);
  return app.twoFactor.request({ token }).then(
    () => expect.fail('The server accepted the message.'),
    (error: unknown) => error as TwoFactorError,
  );
}

describe('the answer of a mail server', () => {
  it('stands in the table for each kind of fault, in at least 40 rows', () => {
    expect(SMTP_ANSWERS.length).toBeGreaterThanOrEqual(40);
    expect(new Set(SMTP_ANSWERS.map(([, , , fault]) => fault))).toEqual(new Set(Object.keys(SEEN)));
  });

  it.each(SMTP_ANSWERS)('%s, %s: %s is the fault: %s', async (_, step, answer, fault) => {
    const error = await refusedBy(step, answer);
    const { type, log } = SEEN[fault];
    expect(error).toBeInstanceOf(type);
    expect(logged).toHaveLength(1);
    const [, line = ''] = /^Sender default did not deliver confirmation \w+\.\.\.: (.*)$/.exec(
      logged[0]!,
    )!;
    expect(line).toMatch(log);
    const words = answer
      .replaceAll(RECIPIENT, '***')
      .replaceAll(/\bann\b|\bexample\.com\b/g, '***')
      .split('\r\n')[0]!;
    expect(line).toContain(words.slice(0, 60));
    // A caller that passes the message on tells no client what the mail server wrote.
    if (fault === 'recipient') expect(error.message).toBe('The mail server refuses this address.');
    for (const text of [line, error.message, String((error.cause as Error | undefined)?.message)]) {
      expect(text).not.toMatch(/\bann\b|example\.com\b/);
    }
  });

  it('is logged without the address, also in the other spellings that servers use', async () => {
    await refusedBy(
      'RCPT',
      "550 5.1.1 no such user: 'ANN', Ann@Example.com, domain EXAMPLE.COM. Annual plan, see http://mx.test/ann",
    );
    expect(logged[0]).toContain(
      "no such user: '***', ***, domain ***. Annual plan, see http://mx.test/***",
    );
    await refusedBy(
      'RCPT',
      '550 5.1.1 <zoe@xn--exmple-cua.example>: unknown',
      'zoe@exämple.example',
    );
    expect(logged[1]).toContain('550 5.1.1 <***>: unknown');
  });

  it('is logged without the code', async () => {
    const error = await refusedBy('END', `554 5.7.1 The words "code ${CODE}" look like spam`);
    expect(logged[0]).toContain('The words "code ***" look like spam');
    expect(error.message).not.toContain(CODE);
  });
});

describe('a mail server that gives no answer', () => {
  /** Longer than a busy machine needs for anything. A test shortens the limit that must end its call. */
  const PATIENT = { connectionTimeout: 30_000, greetingTimeout: 30_000, socketTimeout: 30_000 };
  const DELIVERY = {
    name: 'email',
    verboseName: 'email',
    token: RECIPIENT,
    code: CODE,
    idempotencyKey: 'a-key',
    render: async () => ({ subject: 'Your code', text: CODE, sms: CODE }),
  };
  /** What one message to this server says about itself. */
  async function failureWith(transport: object): Promise<unknown> {
    const options = { transport: { ...PATIENT, ...transport }, from: SENDER_ADDRESS };
    const send = await emailBackend({ name: 'email', verboseName: 'email', options });
    const { signal } = new AbortController();
    const delivery = { ...DELIVERY, options, signal } as unknown as Delivery<EmailOptions>;
    return Promise.resolve(send(delivery)).then(
      () => expect.fail('The server accepted the message.'),
      (error: unknown) => error,
    );
  }

  // At once, because each waits for the limit of a silent socket, and each on a server of its own.
  it.concurrent.each([
    ['RCPT', 'silent'],
    ['RCPT', 'gone'],
    ['DATA', 'silent'],
    ['DATA', 'gone'],
    ['END', 'silent'],
    ['END', 'gone'],
  ] as const)(
    'at %s, because it is %s, may have the message, and a stranger may be the cause',
    async (step, how) => {
      const failing = await startScriptedSmtpServer();
      failing.fail(step, how);
      const limits = how === 'silent' ? { socketTimeout: 4_000 } : {};
      const failure = await failureWith({ host: '127.0.0.1', port: failing.port, ...limits });
      await failing.close();

      expect(failure).toBeInstanceOf(SendFailure);
      expect(failure).toMatchObject({
        kind: 'transient',
        mayHaveArrived: true,
        concernsAll: false,
      });
    },
  );

  it('has no message when it has never greeted, when it refuses the connection and when it has no address', async () => {
    const closed = await startScriptedSmtpServer();
    await closed.close();
    const ofClosed = { port: closed.port };
    const unsent = { kind: 'transient', mayHaveArrived: false, concernsAll: true };

    server.fail('GREETING', 'silent');
    const silent = { host: '127.0.0.1', port: server.port, greetingTimeout: 300 };
    expect(await failureWith(silent)).toMatchObject(unsent);
    server.recover();
    expect(await failureWith({ host: '127.0.0.1', ...ofClosed })).toMatchObject(unsent);
    // A host of several addresses, whose failures come as one.
    expect(await failureWith({ host: 'localhost', ...ofClosed })).toMatchObject(unsent);
    expect(await failureWith({ host: 'mail.invalid', ...ofClosed })).toMatchObject(unsent);
  });

  it('has no message, and refuses no other recipient, when it ends the session by a reply', async () => {
    server.refuse('END', '421 4.3.2 closing');
    const failure = await failureWith({ host: '127.0.0.1', port: server.port });
    server.recover();

    expect(failure).toMatchObject({ mayHaveArrived: false, concernsAll: false });
  });

  // As nodemailer 7 to 10.0 report it, which name no time limit and no call of the system.
  it.each<[string, object, boolean, boolean]>([
    ['Connection timeout', { code: 'ETIMEDOUT' }, false, true],
    ['Greeting never received', { code: 'ETIMEDOUT' }, false, true],
    ['getaddrinfo ENOTFOUND', { code: 'EDNS' }, false, true],
    ['Timeout', { code: 'ETIMEDOUT' }, true, false],
    ['Connection closed unexpectedly', { code: 'ECONNECTION' }, true, false],
    ['read ECONNRESET', { code: 'ESOCKET', syscall: 'read' }, true, false],
    ['Connection closed unexpectedly', { code: 'ECONNECTION', responseCode: 250 }, true, false],
    ['Error initiating TLS', { code: 'ETLS' }, false, true],
    ['No recipients defined', { code: 'EENVELOPE', command: 'API' }, false, false],
  ])('is judged by the error %s with %j', (words, members, mayHaveArrived, concernsAll) => {
    const error = Object.assign(new Error(words), { command: 'CONN' }, members);

    expect(mailError(error, DELIVERY as unknown as Delivery)).toMatchObject({
      mayHaveArrived,
      concernsAll,
    });
  });
});

describe('a fault of the account', () => {
  const delivery = { name: 'default', code: CODE, token: RECIPIENT } as Delivery;

  it.each([
    // A stranger who gives an address that a server misreads must not stop a failover chain for all others.
    ['at the command that names the recipient', 'RCPT TO', '500 5.5.2 Error: bad syntax', false],
    ['before it', 'EHLO', '502 5.5.2 Error: command not recognized', true],
    ['at the login', 'AUTH PLAIN', '535 5.7.8 Error: authentication failed', true],
    ['at the sender', 'MAIL FROM', '530 5.7.0 Must issue a STARTTLS command first', true],
    // A relay passes on what the mail server of a stranger answers to the recipient and to the message.
    ['at the recipient', 'RCPT TO', '535 5.7.8 Error: authentication failed', false],
    ['at the message', 'DATA', '535 5.7.8 Error: authentication failed', false],
    ['at the message', 'DATA', '502 5.5.2 Error: command not recognized', false],
  ])(
    'says whether all recipients are concerned, %s: %s, %s, %s',
    (_, command, response, concernsAll) => {
      const responseCode = Number(response.slice(0, 3));
      const thrown = Object.assign(new Error(response), { command, response, responseCode });
      expect(mailError(thrown, delivery)).toMatchObject({ kind: 'ours', concernsAll });
    },
  );

  it.each([
    ['a full disk', 'MAIL FROM', '452 4.3.1 Insufficient system storage', RECIPIENT, true],
    ['an answer to the login', 'AUTH PLAIN', '454 4.7.0 Temporary failure', RECIPIENT, true],
    ['an answer to the recipient', 'RCPT TO', '451 4.3.0 Lookup failure', RECIPIENT, false],
    ['an answer to the message', 'DATA', '451 4.3.0 Queue file write error', RECIPIENT, false],
    // Such an address asks for SMTPUTF8 in this command.
    ['an address in letters of its own', 'MAIL FROM', '451 4.3.0 Failed', 'änn@example.com', false],
  ])(
    'says whether all recipients are concerned by %s: %s, %s, %s, %s',
    (_, command, response, token, concernsAll) => {
      const responseCode = Number(response.slice(0, 3));
      const thrown = Object.assign(new Error(response), { command, response, responseCode });
      expect(mailError(thrown, { ...delivery, token })).toMatchObject({
        kind: 'transient',
        concernsAll,
      });
    },
  );
});

describe('smtpFaultOf', () => {
  const faultOf = (members: object): SmtpFault =>
    smtpFaultOf(Object.assign(new Error('x'), members));

  it.each<[string, object, SmtpFault]>([
    ['no answer', { code: 'ECONNECTION', command: 'CONN' }, 'transient'],
    ['a transport without a password', { code: 'EAUTH', command: 'API' }, 'login'],
    ['a token that could not be fetched', { code: 'EAUTH', command: 'AUTH XOAUTH2' }, 'transient'],
    ['an answer without its text', { responseCode: 550, command: 'RCPT TO' }, 'recipient'],
    [
      'a command that the server does not know',
      { responseCode: 500, response: '500 unrecognized', command: 'RCPT TO' },
      'protocol',
    ],
    ['no command', { responseCode: 550, response: '550 5.1.1 unknown' }, 'policy'],
    [
      'an enhanced code of another class',
      { responseCode: 550, response: '550 4.2.1 later', command: 'RCPT TO' },
      'transient',
    ],
    [
      'a reply code of another class',
      { responseCode: 450, response: '450 5.1.1 unknown', command: 'RCPT TO' },
      'transient',
    ],
    [
      'an enhanced code that does not exist',
      { responseCode: 550, response: '550 5.9.9 unknown', command: 'RCPT TO' },
      'recipient',
    ],
    [
      'an address in letters that the server cannot pass on',
      { responseCode: 553, response: '553 5.6.7 not ASCII', command: 'RCPT TO' },
      'recipient',
    ],
    [
      'an unknown address at Outlook.com',
      {
        responseCode: 550,
        response: '550 5.5.0 Requested action not taken: mailbox unavailable',
        command: 'RCPT TO',
      },
      'recipient',
    ],
    [
      'a sequence of commands that is wrong',
      { responseCode: 503, response: '503 5.5.0 bad sequence', command: 'RCPT TO' },
      'protocol',
    ],
    [
      'a recipient in a wrong form',
      { responseCode: 501, response: '501 Syntax error', command: 'RCPT TO' },
      'recipient',
    ],
    [
      'the quota of the account that sends',
      {
        responseCode: 554,
        response: '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException',
        command: 'DATA',
      },
      'rate',
    ],
    [
      'a refusal of the greeting',
      { responseCode: 554, response: '554 no', command: 'CONN' },
      'policy',
    ],
  ])('reads %s', (_, members, fault) => {
    expect(faultOf(members)).toBe(fault);
  });

  it('takes linear time for long answers', () => {
    // The time of this process alone: what others do meanwhile is not counted. Quadratic time would be far more.
    const before = process.cpuUsage();
    for (const unit of ['relay ', 'sender ', 'a', '(#5.', '550 5.']) {
      faultOf({ responseCode: 550, response: unit.repeat(200_000), command: 'RCPT TO' });
    }
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(20_000);
  });
});

// The tables of the guides for providers are true: each option of a backend is in one, and each answer of a provider has the
// consequences that its row names, for the caller, the queue and a failover.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import { awsSnsBackend } from '../../lib/backends/aws-sns/index.js';
import { emailBackend } from '../../lib/backends/email/index.js';
import { mailError } from '../../lib/backends/email/mail-error.js';
import { failoverBackend } from '../../lib/backends/failover/index.js';
import { telegramBotBackend, telegramGatewayBackend } from '../../lib/backends/telegram/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { webhookBackend } from '../../lib/backends/webhook/index.js';
import type { SenderBackendFactory } from '../../lib/index.js';
import { traitsOf } from '../../lib/sender/index.js';
import { sampleDelivery } from '../../lib/testing/sample-delivery.js';
import {
  BOT,
  GATEWAY,
  SNS,
  snsError,
  TWILIO,
  twilioError,
  WEBHOOK,
  type ProviderFixture,
} from '../support/provider-fixtures.js';
import { startProvider, type ProviderServer, type Reply } from '../support/provider-server.js';

const GUIDES = fileURLToPath(new URL('../../docs/guides/', import.meta.url));
/** The wait for a server that never answers, and for one that does, which may be slow on a busy machine. */
const [SILENCE_MS, ANSWER_MS] = [300, 30_000];
const WAIT = { 'retry-after': '7' };
const servers: ProviderServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

const pageOf = (name: string): Promise<string> => readFile(join(GUIDES, `${name}.md`), 'utf8');

/** The rows of the table whose first column has this name. Code keeps its backticks, which distinguish an answer from its explanation. */
function rowsBelow(page: string, column: string): string[][] {
  const lines = page.split('\n');
  const head = lines.findIndex((line) => line.startsWith(`| ${column} `));
  expect(head, column).toBeGreaterThan(-1);
  const rest = lines.slice(head + 2);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const codesOf = (cell: string): string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);

/** What the tables say of an error. */
function consequencesOf(error: unknown): [caller: string, queue: string, failover: string] {
  const { kind, mayHaveArrived, retryAfterSeconds, concernsAll } = traitsOf(error);
  switch (kind) {
    case 'recipient':
      return ['`TwoFactorRecipientError`, HTTP 422', 'gives the message up', 'asks the next'];
    case 'configuration':
      return [
        '`TwoFactorConfigurationError`, HTTP 500',
        'gives the message up',
        concernsAll ? 'asks the next, and passes over this one' : 'asks the next',
      ];
    default: {
      const caller = '`TwoFactorSendError`, HTTP 503';
      if (mayHaveArrived) {
        return [caller, 'repeats it, so that it may arrive twice', 'asks no other'];
      }
      const isTimed = kind === 'rate-limited' && retryAfterSeconds !== null;
      return [
        caller,
        isTimed ? 'repeats it after the wait asked for' : 'repeats it',
        'asks the next',
      ];
    }
  }
}

async function failureOf(work: unknown): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('It was sent.');
}

/** The failures that a cell names in words. */
const IN_WORDS: readonly (readonly [words: string, reply: Reply | 'closed'])[] = [
  ['no connection', 'closed'],
  ['no answer in time', 'silent'],
  ['a connection that breaks', 'broken'],
];

const isStatus = (code: string): boolean => /^[345]\d\d$/.test(code);

interface Guide {
  readonly page: string;
  readonly column: string;
  readonly fixture: ProviderFixture;
  /** The provider's answer for a piece of code in the first cell of a row; `null` for one that is no answer. */
  readonly reply: (code: string, cell: string) => Reply | null;
}

const bare = (code: string): Reply => ({ status: Number(code), headers: WAIT });
const bot = (status: number, description: string, more: object = {}): Reply => ({
  status,
  body: JSON.stringify({ ok: false, error_code: status, description, ...more }),
});

const PROVIDERS: readonly Guide[] = [
  {
    page: 'twilio',
    column: 'Twilio answers',
    fixture: TWILIO,
    reply: (code) => {
      if (isStatus(code)) return bare(code);
      return /^\d{5}$/.test(code) ? twilioError(400, Number(code), 'Refused', WAIT) : null;
    },
  },
  {
    page: 'amazon-sns',
    column: 'Amazon SNS answers',
    fixture: SNS,
    reply: (code, cell) => {
      if (isStatus(code)) return snsError(Number(code), 'Another', 'Refused', WAIT);
      if (code === 'PhoneNumber') return null;
      const isAboutNumber = cell.includes('`PhoneNumber`');
      return snsError(400, code, isAboutNumber ? 'Invalid: PhoneNumber' : 'Invalid: Message', WAIT);
    },
  },
  {
    page: 'telegram',
    column: 'the Gateway answers',
    fixture: GATEWAY,
    reply: (code) => {
      if (isStatus(code)) return bare(code);
      const error = code.endsWith('_') ? `${code}SOMETHING` : code;
      return { status: 200, body: JSON.stringify({ ok: false, error }) };
    },
  },
  {
    page: 'telegram',
    column: 'the Bot API answers',
    fixture: BOT,
    reply: (code, cell) => {
      if (code === 'retry_after') return null;
      if (!isStatus(code)) return bot(400, `Bad Request: ${code}`);
      if (code === '429') return bot(429, 'Too Many Requests', { parameters: { retry_after: 7 } });
      if (cell.includes('whose description has')) return null;
      if (code === '403' && cell.includes('without a description')) return bare(code);
      return Number(code) < 500 && code !== '408' ? bot(Number(code), 'Refused') : bare(code);
    },
  },
  {
    page: 'webhook',
    column: 'your service answers',
    fixture: WEBHOOK,
    reply: (code) => (isStatus(code) ? bare(code) : null),
  },
];

describe.each(PROVIDERS)('$page: what $column', ({ page, column, fixture, reply }) => {
  it('has the consequences that the table names', async () => {
    const rows = rowsBelow(await pageOf(page), column);
    expect(rows.length).toBeGreaterThan(4);
    const server = await startProvider(fixture.usual);
    servers.push(server);
    const gone = await startProvider(fixture.usual);
    await gone.close();
    // A server of its own, because the wait may end before the request has come.
    const mute = await startProvider(() => 'silent');
    servers.push(mute);
    const send = async ({ url }: ProviderServer): Promise<unknown> => {
      const timeoutMs = url === mute.url ? SILENCE_MS : ANSWER_MS;
      const backend = await fixture.create(url, { timeoutMs });
      const token = fixture.token(0);
      return failureOf(
        backend(sampleDelivery<never>(token, undefined as never, undefined, fixture.codeDigits)),
      );
    };
    for (const [cell = '', ...said] of rows) {
      const replies = codesOf(cell)
        .map((code) => reply(code, cell))
        .filter((each) => each !== null);
      const words = IN_WORDS.filter(([text]) => cell.includes(text)).map(([, each]) => each);
      const all = [...replies, ...words];
      expect(all, cell).not.toEqual([]);
      for (const each of all) {
        const asked = each === 'closed' ? gone : each === 'silent' ? mute : server;
        if (each !== 'closed' && each !== 'silent') server.next(each);
        // `fetch` repeats a request by itself that was answered by 421.
        if (typeof each === 'object' && each.status === 421) server.next(each);
        const error = await send(asked);
        expect(consequencesOf(error), `${cell}: ${JSON.stringify(each)}`).toEqual(said);
      }
    }
  });
});

describe('email: what the mail server answers', () => {
  /** The command that a server answers so. */
  const commandOf = (answer: string): string => {
    if (answer.startsWith('535')) return 'AUTH PLAIN';
    if (answer.startsWith('530')) return 'MAIL FROM';
    return answer.startsWith('550 5.7') || answer.startsWith('454') ? 'DATA' : 'RCPT TO';
  };
  const WORDS: readonly (readonly [words: string, error: object])[] = [
    ['no connection', { code: 'ECONNREFUSED', syscall: 'connect', command: 'CONN' }],
    ['no answer in time', { code: 'ETIMEDOUT', timeoutType: 'SOCKET_TIMEOUT', command: 'CONN' }],
    ['a connection that breaks', { code: 'ECONNECTION', command: 'CONN' }],
  ];

  it('has the consequences that the table names', async () => {
    const rows = rowsBelow(await pageOf('email'), 'the mail server answers');
    expect(rows.length).toBeGreaterThan(4);
    const delivery = sampleDelivery('ann@example.com', undefined);
    for (const [cell = '', ...said] of rows) {
      const answers = codesOf(cell).map((response) => ({
        response,
        responseCode: Number(response.slice(0, 3)),
        command: commandOf(response),
      }));
      const words = WORDS.filter(([text]) => cell.includes(text)).map(([, each]) => each);
      expect([...answers, ...words], cell).not.toEqual([]);
      for (const each of [...answers, ...words]) {
        const thrown = Object.assign(new Error('nodemailer'), each);
        const what = `${cell}: ${JSON.stringify(each)}`;
        expect(consequencesOf(mailError(thrown, delivery)), what).toEqual(said);
      }
    }
  });
});

const BACKENDS: readonly (readonly [page: string, from: string, backend: unknown])[] = [
  ['twilio', '## Options', twilioBackend],
  ['amazon-sns', '## Options', awsSnsBackend],
  ['telegram', 'Of the Gateway:', telegramGatewayBackend],
  ['telegram', 'Of the bot:', telegramBotBackend],
  ['webhook', '## Options', webhookBackend],
  ['email', '## Options', emailBackend],
  ['failover', '## Options', failoverBackend],
];

it.each(BACKENDS)('%s has a row for each option (%s)', async (page, from, backend) => {
  const text = await pageOf(page);
  const rows = rowsBelow(text.slice(text.indexOf(from)), 'option');
  const named = rows.map(([cell = '']) => codesOf(cell)[0]!.split('.')[0]);
  const make = backend as SenderBackendFactory<object>;
  const options = { transport: 'smtp://localhost', from: 'a@acme.example', none: true };
  const input = { name: 'default', verboseName: 'default', options };
  // A backend refuses an unknown option by a sentence that lists those that it knows.
  const { message } = (await failureOf((async () => make(input))())) as Error;
  const [, known = ''] = /Known: ([^.]+)\./.exec(message) ?? [];
  expect([...new Set(named)].toSorted((one = '', other = '') => (one < other ? -1 : 1))).toEqual(
    known.split(', '),
  );
});

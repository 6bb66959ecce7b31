// A provider that is slow, down, broken or malicious must not hold calls, fill the memory, learn credentials by a redirect, or make a
// caller believe that the own fault is one of the address.
import { afterEach, describe, expect, it } from 'vitest';

import {
  SendFailure,
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  type Delivery,
  type SendFunction,
} from '../../../lib/index.js';
import { describeSenderBackend } from '../../../lib/testing/index.js';
import { sampleDelivery } from '../../../lib/testing/sample-delivery.js';
import {
  BOT,
  FIXTURES,
  GATEWAY,
  TWILIO,
  twilioError,
  WEBHOOK,
  type ProviderFixture,
} from '../../support/provider-fixtures.js';
import { startProvider, type ProviderServer, type Reply } from '../../support/provider-server.js';

const DOWN: Reply = { status: 500, body: 'out of order' };
/** Enough for a test that waits for it, and far less than a test may take. */
const TIMEOUT_MS = 300;

const servers: ProviderServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

interface Opened {
  readonly server: ProviderServer;
  readonly send: SendFunction<never>;
}

async function open(
  fixture: ProviderFixture,
  { isTls = false, ...more }: { isTls?: boolean; timeoutMs?: number; compose?: () => string } = {},
): Promise<Opened> {
  const server = await startProvider(fixture.usual, { isTls });
  servers.push(server);
  return { server, send: await fixture.create(server.url, more) };
}

function sample(fixture: ProviderFixture, n = 0, signal?: AbortSignal): Delivery<never> {
  return sampleDelivery<never>(fixture.token(n), undefined as never, signal, fixture.codeDigits);
}

async function failureOf(work: unknown): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('It was sent.');
}

/** Everything that an error tells, its causes included. */
function allWordsOf(error: Error): string {
  const { cause } = error;
  return `${error.message} ${JSON.stringify(error)} ${error.stack} ${cause instanceof Error ? allWordsOf(cause) : ''}`;
}

describe('webhookBackend', () => {
  it('repeats no phone number that the service spells in its own way', async () => {
    const { server, send } = await open(WEBHOOK);
    const delivery = sampleDelivery<never>('+44 (0)7400 123456', undefined as never);
    server.next({ status: 400, body: `{"detail":"${delivery.state.token!} is no mobile number"}` });
    const failure = await failureOf(send(delivery));

    expect(failure.message).toContain('*** is no mobile number');
    expect(allWordsOf(failure)).not.toContain('7400123456');
  });
});

describe('telegramGatewayBackend', () => {
  it.each([
    [0, 30],
    [29, 30],
    [600, 600],
    [3_601, 3_600],
    [86_400, 3_600],
  ])('gives a code that lives for %i seconds a ttl of %i', async (expiresInSeconds, ttl) => {
    const { server, send } = await open(GATEWAY);
    await send({ ...sample(GATEWAY), expiresInSeconds });

    expect(JSON.parse(server.calls[0]!.body)).toMatchObject({ ttl });
  });
});

describe.each(FIXTURES)('$name', (fixture) => {
  const { refused, rateLimited, ours, credentials, word } = fixture;

  it('sends once, with the code, to the token', async () => {
    const { server, send } = await open(fixture);
    const delivery = sample(fixture);
    await send(delivery);

    expect(server.calls).toHaveLength(1);
    const { token, text } = fixture.messageOf(server.calls[0]!);
    expect(token).toBe(delivery.token);
    expect(text).toContain(delivery.code);
  });

  it('reports a refused recipient, and keeps the words of the provider for the log', async () => {
    const { server, send } = await open(fixture);
    server.next(refused);
    const failure = await failureOf(send(sample(fixture)));

    expect(failure).toBeInstanceOf(TwoFactorRecipientError);
    expect(failure.message).not.toContain(word);
    expect((failure.cause as Error).message).toContain(word);
  });

  it('reports the wait that the limit of the provider asks for', async () => {
    const { server, send } = await open(fixture);
    server.next(rateLimited);
    const failure = await failureOf(send(sample(fixture)));

    expect(failure).toMatchObject({
      kind: 'rate-limited',
      retryAfterSeconds: 7,
      mayHaveArrived: false,
    });
  });

  it('distinguishes its own fault from that of the recipient, and repeats no credential, code or phone number', async () => {
    const { server, send } = await open(fixture);
    const delivery = sample(fixture);
    server.next(ours);
    const refusal = await failureOf(send(delivery));
    expect(refusal).toBeInstanceOf(SendFailure);
    expect(refusal).toMatchObject({ kind: 'ours', concernsAll: true });

    server.next({
      status: 400,
      body: `${credentials.join(' ')} ${delivery.code} ${delivery.token}`,
    });
    const echo = await failureOf(send(delivery));
    expect(echo).toMatchObject({ kind: 'ours', concernsAll: false });
    for (const secret of [...credentials, delivery.code, delivery.token]) {
      expect(allWordsOf(refusal)).not.toContain(secret);
      expect(allWordsOf(echo)).not.toContain(secret);
    }
  });

  it.each([
    [500, false],
    [503, false],
    [408, true],
    [502, true],
    [504, true],
  ])(
    'reports %i as a transient failure, and whether the message may have arrived: %s',
    async (status, mayHaveArrived) => {
      const { server, send } = await open(fixture);
      server.next({
        status,
        body: '<html>out of order</html>',
        headers: { 'content-type': 'text/html', 'retry-after': '99999999999' },
      });

      expect(await failureOf(send(sample(fixture)))).toMatchObject({
        kind: 'transient',
        mayHaveArrived,
        concernsAll: false,
        retryAfterSeconds: 86_400,
      });
    },
  );

  it('throws after its time-out, with the note that the message may have arrived', async () => {
    const { server, send } = await open(fixture, { timeoutMs: TIMEOUT_MS });
    server.next('silent');
    const failure = await failureOf(send(sample(fixture)));

    expect(failure.message).toContain(`no answer within ${TIMEOUT_MS} ms`);
    expect(failure).toMatchObject({ kind: 'transient', mayHaveArrived: true });
  });

  it('reports that a message may have arrived when the connection breaks before the answer', async () => {
    const { server, send } = await open(fixture);
    server.next('broken');

    expect(await failureOf(send(sample(fixture)))).toMatchObject({
      kind: 'transient',
      mayHaveArrived: true,
    });
  });

  it('sends nothing when nothing listens, and when the certificate is not trusted', async () => {
    const { server, send } = await open(fixture);
    await servers.pop()!.close();
    const down = await failureOf(send(sample(fixture)));
    expect(down.message).toContain('ECONNREFUSED');
    expect(server.calls).toEqual([]);

    const tls = await open(fixture, { isTls: true });
    const untrusted = await failureOf(tls.send(sample(fixture)));
    expect(untrusted.message).toContain('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(tls.server.calls).toEqual([]);
    for (const failure of [down, untrusted]) {
      expect(failure).toMatchObject({
        kind: 'transient',
        mayHaveArrived: false,
        concernsAll: true,
      });
    }
  });

  it('follows no redirect, which would carry code and credentials to another host', async () => {
    const { server, send } = await open(fixture);
    const other = await open(fixture);
    server.next({ status: 307, headers: { location: `${other.server.url}/elsewhere` } });
    const failure = await failureOf(send(sample(fixture)));

    expect(failure.message).toContain('307');
    expect(failure).toMatchObject({ kind: 'ours', concernsAll: true });
    expect(other.server.calls).toEqual([]);
  });

  it('reads 64 kB of an answer, and no more of 10 MB', async () => {
    const { server, send } = await open(fixture);
    server.next({ status: 500, body: 'x'.repeat(10_000_000) });
    const failure = await failureOf(send(sample(fixture)));

    expect(failure.message).toMatch(/above 64 kB/);
    expect(failure.message.length).toBeLessThan(600);
    await send(sample(fixture, 1));
    expect(server.accepted).toHaveLength(1);
  });

  it.each(['', '{', '[]', 'null', '"ok"', '<html>welcome to the hotel</html>'])(
    'takes 200 with %j for no answer of the provider',
    async (body) => {
      // A receiver of a webhook accepts by its status alone.
      const { server, send } = await open(fixture);
      server.next({ status: 200, body });
      if (fixture.name === 'webhookBackend') {
        await send(sample(fixture));
        return;
      }
      expect(await failureOf(send(sample(fixture)))).toMatchObject({
        kind: 'transient',
        mayHaveArrived: true,
      });
    },
  );

  it('refuses a URL without https, a URL with credentials, and unknown options', async () => {
    const wrong: (readonly [string, object])[] = [
      ['http://provider.example', {}],
      ['https://user:word@provider.example', {}],
      ['ftp://127.0.0.1', {}],
      ['https://provider.example', { timeout: 5 }],
      ['https://provider.example', { timeoutMs: 99 }],
      ['https://provider.example', { timeoutMs: 60_001 }],
    ];
    for (const [url, more] of wrong) {
      const failure = await failureOf((async () => fixture.create(url, more))());
      expect(failure, url).toBeInstanceOf(TwoFactorConfigurationError);
      for (const credential of credentials) expect(allWordsOf(failure)).not.toContain(credential);
    }
  });

  describeSenderBackend(
    fixture.name,
    {
      open: async () => {
        const { server, send } = await open(fixture);
        const sent = (delivery: Delivery<never>): unknown => send(delivery);
        return { server, send: sent, delivered: () => server.accepted.map(readMessage) };
      },
      token: fixture.token,
      unreachable: fixture.unreachable,
      codeDigits: fixture.codeDigits,
      failNext: ({ server }) => server.next(DOWN),
      hang: ({ server }) => server.next('silent'),
      settleWithinMs: 20_000,
    },
    { describe, it },
  );

  function readMessage(call: Parameters<typeof fixture.messageOf>[0]): {
    token: string;
    text: string;
  } {
    return fixture.messageOf(call);
  }
});

describe('a refusal by 403 of a bot of Telegram', () => {
  it.each([
    ['<html>Access denied by the proxy</html>', 'text/html'],
    ['{"error":"forbidden"}', 'application/json'],
    ['', 'text/plain'],
  ])('does not blame the recipient when it is not of Telegram: %s', async (body, type) => {
    const { server, send } = await open(BOT);
    server.next({ status: 403, body, headers: { 'content-type': type } });
    const failure = await failureOf(send(sample(BOT)));

    expect(failure).toBeInstanceOf(SendFailure);
    expect(failure).toMatchObject({ kind: 'ours' });
  });
});

describe('the text that compose returns', () => {
  it('is not sent without the code', async () => {
    const { server, send } = await open(TWILIO, { compose: () => 'Hello' });
    const failure = await failureOf(send(sample(TWILIO)));

    expect(failure).toMatchObject({ kind: 'ours' });
    expect(failure.message).toContain('a text without the code');
    expect(server.calls).toEqual([]);
  });
});

describe('the sending number of Twilio', () => {
  const create = (from: string): Promise<unknown> =>
    failureOf(
      (async () => {
        await TWILIO.create('https://provider.example', { from, messagingServiceSid: undefined });
        throw new Error('It was made.');
      })(),
    );

  it('is refused at boot when it has no plus, and the error names the right form', async () => {
    expect(await create('4155550100')).toMatchObject({
      name: 'TwoFactorConfigurationError',
      message: expect.stringContaining('with + and its country code') as string,
    });
  });

  it.each(['+14155550100', '72975', 'ACME'])('may be %s', async (from) => {
    expect(await create(from)).toMatchObject({ message: 'It was made.' });
  });
});

describe('the codes of Twilio', () => {
  it.each([
    [400, 21211, 'recipient'],
    [400, 21610, 'recipient'],
    [400, 21614, 'recipient'],
    [400, 21635, 'recipient'],
    [403, 21408, 'region'],
    [400, 21608, 'region'],
    [429, 20429, 'rate-limited'],
    [401, 20003, 'ours'],
    [403, 20005, 'ours'],
    [400, 30002, 'ours'],
    [400, 21606, 'ours'],
    [500, 20500, 'transient'],
  ])('%i with %i is %s', async (status, code, kind) => {
    const { server, send } = await open(TWILIO);
    server.next(twilioError(status, code, 'Words of Twilio'));
    const failure = await failureOf(send(sample(TWILIO)));

    if (kind === 'recipient' || kind === 'region') {
      expect(failure).toBeInstanceOf(TwoFactorRecipientError);
      // A region is a setting of the account, which an operator must hear of.
      expect(failure.cause instanceof SendFailure).toBe(kind === 'region');
      expect((failure.cause as Error).message).toContain(String(code));
    } else {
      expect(failure).toMatchObject({ kind });
      expect(failure.message).toContain(`error ${code}: Words of Twilio`);
    }
  });

  it('are also read of a message that was created and has failed', async () => {
    const { server, send } = await open(TWILIO);
    server.next({
      status: 201,
      body: JSON.stringify({ sid: 'SM1', error_code: 21610, error_message: 'Stop' }),
    });
    expect(await failureOf(send(sample(TWILIO)))).toBeInstanceOf(TwoFactorRecipientError);
  });
});

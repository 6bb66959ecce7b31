// Mail servers whose certificate is not trusted, and servers that do not speak SMTP or never end an answer. The next mail server of a
// failover is asked only where certainly nothing was sent: a message that may have arrived would otherwise be sent twice.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import { SendFailure, type Delivery } from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { selfSigned } from '../support/provider-server.js';

const CODE = drawCanaryCode();
const RECIPIENT = 'ann@acme.example';
/** Longer than a busy machine needs for 10 MB. No test waits for one of them. */
const LIMITS = { connectionTimeout: 30_000, greetingTimeout: 30_000, socketTimeout: 30_000 };
/** More than nodemailer reads of one answer. */
const ENDLESS = 'x'.repeat(10_000_000);
const UNSENT = { kind: 'transient', mayHaveArrived: false, concernsAll: true };

/** Answers each line of a client that is no part of a message; a message is answered as the line `.`. */
function speak(socket: Socket, answerOf: (line: string) => string | null): void {
  let unread = '';
  let isMessage = false;
  socket.on('data', (chunk) => {
    const lines = (unread + String(chunk)).split('\r\n');
    unread = lines.pop() ?? '';
    for (const line of lines) {
      if (isMessage && line !== '.') continue;
      const answer = answerOf(line);
      isMessage = answer?.startsWith('354') === true;
      if (answer !== null) socket.write(answer);
    }
  });
}

const usual = (line: string): string =>
  /^DATA/i.test(line) ? '354 go ahead\r\n' : '250 mx.acme.example\r\n';

describe('A mail server that cannot be talked to', () => {
  let certificate: { readonly key: string; readonly cert: string };
  let server: Server;
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    certificate = await selfSigned();
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  afterAll(() => sockets.clear());

  const onConnection =
    (talk: (socket: Socket) => void) =>
    (socket: Socket): void => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      talk(socket);
    };

  /** What one message to the server says about itself. */
  async function failureAt(started: Server, transport: object = {}): Promise<unknown> {
    server = started;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const options = {
      transport: { host: '127.0.0.1', port, ...LIMITS, ...transport },
      from: 'codes@acme.example',
    };
    const send = await emailBackend({ name: 'email', verboseName: 'email', options });
    const delivery = {
      name: 'email',
      verboseName: 'email',
      token: RECIPIENT,
      code: CODE,
      idempotencyKey: 'a-key',
      options,
      signal: new AbortController().signal,
      render: async () => ({ subject: 'Your code', text: CODE, sms: CODE }),
    } as unknown as Delivery<EmailOptions>;
    const failure = await Promise.resolve(send(delivery)).then(
      () => expect.fail('The server accepted the message.'),
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(SendFailure);
    const { message } = failure as Error;
    expect(message).not.toContain(CODE);
    expect(message).not.toContain(RECIPIENT);
    expect(message.length).toBeLessThan(1_000);
    return failure;
  }

  it('gets nothing when its certificate is not trusted', async () => {
    const started = createTlsServer(
      certificate,
      onConnection((socket) => socket.write('220 mx.acme.example ESMTP\r\n')),
    );
    expect(await failureAt(started, { secure: true })).toMatchObject(UNSENT);
  });

  it('gets nothing when its certificate is not trusted after STARTTLS', async () => {
    const started = createServer(
      onConnection((socket) => {
        socket.write('220 mx.acme.example ESMTP\r\n');
        socket.on('data', (chunk) => {
          if (/^EHLO/i.test(String(chunk))) socket.write('250-mx\r\n250 STARTTLS\r\n');
          if (!/^STARTTLS/i.test(String(chunk))) return;
          socket.removeAllListeners('data');
          socket.write('220 go ahead\r\n');
          new TLSSocket(socket, { isServer: true, ...certificate }).on('error', () => undefined);
        });
      }),
    );
    expect(await failureAt(started, { requireTLS: true })).toMatchObject(UNSENT);
  });

  it('gets nothing when it speaks no TLS and the transport begins with it', async () => {
    const started = createServer(
      onConnection((socket) => socket.write('220 mx.acme.example ESMTP\r\n')),
    );
    expect(await failureAt(started, { secure: true })).toMatchObject(UNSENT);
  });

  it.each([
    ['a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a server of another protocol', '\u0000\u00ff\u0001\r\n'],
  ])('gets no message when it sends the greeting of %s', async (_, greeting) => {
    const started = createServer(onConnection((socket) => socket.write(greeting)));
    expect(await failureAt(started)).toMatchObject(UNSENT);
  });

  it.each([
    ['the greeting', (): string => `220 ${ENDLESS}`, null],
    ['the answer to EHLO', (): string => '220 mx\r\n', /^EHLO/i],
    ['the answer to RCPT', (): string => '220 mx\r\n', /^RCPT/i],
    ['the answer to the end of the message', (): string => '220 mx\r\n', /^\.$/],
  ] as const)(
    'may have the message, and a stranger may be the cause, when %s does not end within 10 MB',
    async (_, greeting, endlessAt) => {
      const started = createServer(
        onConnection((socket) => {
          socket.write(greeting());
          speak(socket, (line) => (endlessAt?.test(line) ? `250 ${ENDLESS}` : usual(line)));
        }),
      );
      expect(await failureAt(started)).toMatchObject({
        kind: 'transient',
        mayHaveArrived: true,
        concernsAll: false,
      });
    },
  );

  it('has refused the message when it answers a command by words without a reply code', async () => {
    const started = createServer(
      onConnection((socket) => {
        socket.write('220 mx.acme.example ESMTP\r\n');
        speak(socket, (line) => (/^RCPT/i.test(line) ? 'what?\r\n' : usual(line)));
      }),
    );
    expect(await failureAt(started)).toMatchObject({
      kind: 'transient',
      mayHaveArrived: false,
      concernsAll: false,
    });
  });
});

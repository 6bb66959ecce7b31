import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** Where the server refuses: `END` is the end of the message, after DATA was accepted. */
export type SmtpStep = 'GREETING' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'END';

export interface ScriptedSmtpServer {
  readonly port: number;
  /** The commands MAIL and RCPT as they were sent. */
  readonly envelopes: string[];
  /** The next refusals: at one step, with these lines. */
  refuse(step: SmtpStep, answer: string): void;
  /** At one step, it answers nothing and keeps the connection open (`silent`), or ends the connection (`gone`). */
  fail(step: SmtpStep, how: 'gone' | 'silent'): void;
  /** It accepts everything. */
  recover(): void;
  /** The messages whose end has come, accepted or not. */
  readonly received: number;
  /** The connections that were made. */
  readonly sessions: number;
  close(): Promise<void>;
}

interface Failure {
  readonly how: 'gone' | 'silent';
}
type Answer = string | Failure;

/**
 * A mail server that accepts everything but one step, where it answers with the given lines unchanged, or not at all.
 *
 * @param extensions what it offers beside AUTH.
 */
export async function startScriptedSmtpServer(
  extensions: readonly string[] = [],
): Promise<ScriptedSmtpServer> {
  const envelopes: string[] = [];
  const offers = ['mx.acme.example', ...extensions, 'AUTH PLAIN'];
  const greeting = offers
    .map((offer, index) => `250${index === offers.length - 1 ? ' ' : '-'}${offer}`)
    .join('\r\n');
  let refusal: { step: SmtpStep; answer: Answer } | undefined;
  let received = 0;
  let sessions = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    sessions += 1;
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    const answerOf: Script['answerOf'] = (step, usual) => {
      if (step === 'END') received += 1;
      return refusal?.step === step ? refusal.answer : usual;
    };
    serve(socket, { answerOf, greeting, envelopes });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    envelopes,
    refuse: (step, answer) => {
      refusal = { step, answer };
    },
    fail: (step, how) => {
      refusal = { step, answer: { how } };
    },
    recover: () => {
      refusal = undefined;
    },
    get received() {
      return received;
    },
    get sessions() {
      return sessions;
    },
    close: async () => {
      if (!server.listening) return;
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Script {
  readonly answerOf: (step: SmtpStep, usual: string) => Answer;
  /** The answer to EHLO. */
  readonly greeting: string;
  readonly envelopes: string[];
}

function serve(socket: Socket, { answerOf, greeting, envelopes }: Script): void {
  let unread = '';
  let isMessage = false;
  const say = (answer: Answer): void => {
    if (typeof answer === 'string') socket.write(`${answer}\r\n`);
    else if (answer.how === 'gone') socket.destroy();
  };
  const take = (line: string): void => {
    if (isMessage) {
      if (line !== '.') return;
      isMessage = false;
      say(answerOf('END', '250 2.0.0 queued'));
      return;
    }
    const command = line.slice(0, 4).toUpperCase();
    if (command === 'MAIL' || command === 'RCPT') envelopes.push(line);
    if (command === 'EHLO') say(greeting);
    else if (command === 'AUTH') say(answerOf('AUTH', '235 2.7.0 accepted'));
    else if (command === 'MAIL') say(answerOf('MAIL', '250 2.1.0 ok'));
    else if (command === 'RCPT') say(answerOf('RCPT', '250 2.1.5 ok'));
    else if (command === 'DATA') {
      const answer = answerOf('DATA', '354 go ahead');
      isMessage = typeof answer === 'string' && answer.startsWith('354');
      say(answer);
    } else say('250 2.0.0 ok');
  };
  socket.setEncoding('utf8');
  socket.on('data', (chunk) => {
    const lines = (unread + String(chunk)).split('\r\n');
    unread = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  say(answerOf('GREETING', '220 mx.acme.example ESMTP'));
}

// A fault of the application is never told to a client as a fault of the client, and each has its own answer and log line.
import {
  Controller,
  type ExecutionContext,
  HttpCode,
  Logger,
  Post,
  UnauthorizedException,
  UseFilters,
} from '@nestjs/common';
import { ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  ConfirmerService,
  RequireConfirmation,
  TwoFactorCallError,
  TwoFactorExceptionFilter,
  TwoFactorStateError,
  type PurposeDefinition,
} from '../../lib/index.js';
import { openDatabase } from '../support/engines.js';
import { freePort } from '../support/free-port.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

const person: PurposeDefinition = { subject: () => 'ann', recipient: () => 'ann@example.com' };
const throws = (): never => {
  throw new TypeError('Cannot read properties of undefined, INNERTEXT');
};
/** As an application may take the name that an anonymous client claims out of its request. */
function claimedNameOf(context: ExecutionContext): string {
  const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
  return JSON.parse(headers['x-claims']!) as string;
}
const purposes: Record<string, PurposeDefinition> = {
  '': { open: true },
  pay: person,
  'no-phone': { ...person, recipient: () => undefined },
  'no-user': { ...person, subject: () => undefined },
  'subject-throws': { ...person, subject: throws },
  'recipient-throws': { ...person, recipient: throws },
  'subject-refuses': {
    ...person,
    subject: () => {
      throw new UnauthorizedException();
    },
  },
  'long-subject': { ...person, subject: () => 'x'.repeat(300) },
  claimed: { ...person, subject: claimedNameOf, claimedSubject: true },
  'long-recipient': { ...person, recipient: () => 'x'.repeat(400) },
  'number-recipient': { ...person, recipient: () => 4915 as unknown as string },
};

@Controller('orders')
@UseFilters(TwoFactorExceptionFilter)
class OrderController {
  constructor(
    private readonly confirmer: ConfirmerService,
    private readonly dataSource: DataSource,
  ) {}

  @Post()
  @HttpCode(200)
  async order(): Promise<object> {
    const { id } = await this.confirmer.makeConfirmation({ isConfirmed: true });
    await this.confirmer.use(id, { manager: this.dataSource.manager });
    return { ok: true };
  }
}

/** Guarded routes whose resolvers throw, and one whose resolver refuses. */
function guardedRoutes(
  route: (name: string) => MethodDecorator,
  confirmationId: (context: ExecutionContext) => unknown,
): { readonly Routes: new () => object; readonly ran: string[] } {
  const ran: string[] = [];

  @Controller()
  class Routes {
    @route('subject')
    @RequireConfirmation('subject-throws', { confirmationId })
    subject(): void {
      ran.push('subject');
    }

    @route('details')
    @RequireConfirmation('pay', { confirmationId, details: throws })
    details(): void {
      ran.push('details');
    }

    @route('proof')
    @RequireConfirmation('pay', { confirmationId: throws })
    proof(): void {
      ran.push('proof');
    }

    @route('refusing')
    @RequireConfirmation('subject-refuses', { confirmationId })
    refusing(): void {
      ran.push('refusing');
    }
  }
  return { Routes, ran };
}

/** The guarded routes, and the line of the log for each. */
const GUARDED = [
  [
    'subject',
    'subject-throws',
    'The subject resolver of purpose "subject-throws" threw a TypeError.',
  ],
  ['details', 'pay', 'The details function threw a TypeError.'],
  ['proof', 'pay', 'The function confirmationId threw a TypeError.'],
] as const;

let app: HttpTestApp | undefined;
let lines: Record<'error' | 'warn' | 'debug', string[]>;

beforeEach(() => {
  lines = { error: [], warn: [], debug: [] };
  for (const level of ['error', 'warn', 'debug'] as const) {
    vi.spyOn(Logger.prototype, level).mockImplementation((line: unknown) => {
      lines[level].push(String(line));
    });
  }
});
afterEach(async () => {
  vi.restoreAllMocks();
  await app?.close();
  app = undefined;
});

const ask = (running: HttpTestApp, body: object): Promise<Answer> =>
  running.post('/2factor/request-confirmation', body);

/** What was asked for, the answer, and the line of the log with its level. */
const FAULTS: readonly (readonly [
  purpose: string,
  status: number,
  error: string | null,
  level: 'error' | 'warn' | 'debug',
  line: string,
])[] = [
  [
    'no-phone',
    422,
    'no-recipient',
    'debug',
    'The recipient resolver of purpose "no-phone" returned nothing for the way "default".',
  ],
  [
    'no-user',
    403,
    'no-subject',
    'debug',
    'The subject resolver of purpose "no-user" returned nothing for this caller: let your sign-in run before it, which is a guard in controller: { guards } for the routes of this package, and @UseGuards or a middleware for your own.',
  ],
  [
    'subject-throws',
    500,
    null,
    'warn',
    'The subject resolver of purpose "subject-throws" threw a TypeError.',
  ],
  [
    'recipient-throws',
    500,
    null,
    'warn',
    'The recipient resolver of purpose "recipient-throws" threw a TypeError.',
  ],
  [
    'long-subject',
    500,
    'invalid-configuration',
    'error',
    'The subject resolver of purpose "long-subject" returned an unusable value. A subject is a string of 1 to 255',
  ],
  [
    'long-recipient',
    500,
    'invalid-configuration',
    'error',
    'The recipient resolver of purpose "long-recipient" returned an unusable value. A token is a text of 1 to 320',
  ],
  [
    'number-recipient',
    500,
    'invalid-configuration',
    'error',
    'The recipient resolver of purpose "number-recipient" answered a number.',
  ],
];

describe.each(adapters)('A fault of the application on $name', ({ create }) => {
  it.each(FAULTS)('is answered and logged for the purpose %s', async (purpose, ...expected) => {
    const [status, error, level, line] = expected;
    app = await startHttpApp({ adapter: create(), options: { controller: true, purposes } });
    const answer = await ask(app, { purpose });
    if (error === null) {
      // The application may have a filter for its error; this one has none.
      expect(answer).toMatchObject({ status, body: { message: 'Internal server error' } });
    } else {
      expect(answer).toBeProblem(status, error);
    }
    expect(lines[level].filter((each) => each.includes(line))).toHaveLength(1);
    expect(answer.text).not.toMatch(/INNERTEXT|resolver|malformed|sign in/i);
    expect(app.inbox.deliveries).toStrictEqual([]);
  });

  it('is not logged when a resolver throws an HttpException', async () => {
    app = await startHttpApp({ adapter: create(), options: { controller: true, purposes } });
    expect(await ask(app, { purpose: 'subject-refuses' })).toMatchObject({ status: 401 });
    expect(lines.warn.filter((line) => line.includes('resolver'))).toStrictEqual([]);
  });

  it.each([5, ['ann'], { name: 'ann' }, 'x'.repeat(256), '', null])(
    'is none when an anonymous client claims to be %j, which can be no subject',
    async (claimed) => {
      app = await startHttpApp({ adapter: create(), options: { controller: true, purposes } });
      const headers = { 'x-claims': JSON.stringify(claimed) };
      const answer = await app.post(
        '/2factor/request-confirmation',
        { purpose: 'claimed' },
        headers,
      );

      expect(answer).toBeProblem(403, 'no-subject');
      expect(lines.error).toEqual([]);
      const known = { 'x-claims': '"ann"' };
      expect(
        await app.post('/2factor/request-confirmation', { purpose: 'claimed' }, known),
      ).toMatchObject({ status: 200 });
    },
  );

  it('is an unusable requester', async () => {
    const limits = { requester: () => 'x'.repeat(300) };
    app = await startHttpApp({
      adapter: create(),
      options: { controller: true, purposes, limits },
    });
    const answer = await ask(app, { token: 'ann@example.com' });
    expect(answer).toBeProblem(500, 'invalid-configuration');
    expect(lines.error.join('\n')).toContain(
      'The resolver limits.requester returned an unusable value. A requester is a string of 1 to 255',
    );
  });

  it('is a manager that is in no transaction', async () => {
    app = await startHttpApp({ adapter: create(), controllers: [OrderController] });
    expect(await app.post('/orders', {})).toBeProblem(500, 'invalid-call');
    expect(lines.error.join('\n')).toContain(
      'TwoFactorCallError: The manager is in no transaction.',
    );
    const { id } = await app.confirmer.makeConfirmation({ isConfirmed: true });
    const both = { manager: app.dataSource.manager, idempotencyKey: 'sixteen-characters' };
    await expect(app.confirmer.use(id, both)).rejects.toBeInstanceOf(TwoFactorCallError);
  });
});

describe.each(adapters)('A resolver that throws in the guard on $name', ({ create }) => {
  const proofs = guardedRoutes(Post, (context) =>
    String(
      context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['x-proof'],
    ),
  );
  const start = async (): Promise<HttpTestApp> => {
    app = await startHttpApp({
      adapter: create(),
      controllers: [proofs.Routes],
      options: { purposes },
    });
    return app;
  };

  it.each(GUARDED)(
    'keeps the handler from running, and the proof unused: %s',
    async (route, purpose, line) => {
      const running = await start();
      const proof = { purpose, subject: 'ann' };
      const { id } = await running.confirmer.makeConfirmation({ ...proof, isConfirmed: true });
      const answer = await running.post(`/${route}`, {}, { 'x-proof': id });
      // The application may have a filter for its error; this one has none.
      expect(answer).toMatchObject({ status: 500, body: { message: 'Internal server error' } });
      expect(answer.text).not.toMatch(/INNERTEXT|resolver|malformed|sign in/i);
      expect(lines.warn.filter((each) => each.includes(line))).toHaveLength(1);
      expect(proofs.ran).toStrictEqual([]);
      expect(await running.confirmer.use(id, proof)).toBe(true);
    },
  );

  it('answers with its own exception, and is not logged, when it throws an HttpException', async () => {
    const running = await start();
    const answer = await running.post('/refusing', {}, { 'x-proof': UNKNOWN_ID });
    expect(answer).toMatchObject({ status: 401, body: { message: 'Unauthorized' } });
    expect(lines.warn.filter((line) => line.includes('resolver'))).toStrictEqual([]);
    expect(proofs.ran).toStrictEqual([]);
  });
});

describe('A resolver that throws in the guard over TCP', () => {
  it.each(GUARDED)(
    'is told to the client as a fault of the server: %s',
    async (route, purpose, line) => {
      const proofs = guardedRoutes(
        MessagePattern,
        (context) => context.switchToRpc().getData<{ proof: string }>().proof,
      );
      const options = { host: '127.0.0.1', port: await freePort() };
      app = await startHttpApp({
        controllers: [proofs.Routes],
        options: { purposes },
        configure: (made) => void made.connectMicroservice({ transport: Transport.TCP, options }),
      });
      await app.app.startAllMicroservices();
      const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
      const proof = { purpose, subject: 'ann' };
      const { id } = await app.confirmer.makeConfirmation({ ...proof, isConfirmed: true });

      const answer: unknown = await lastValueFrom(client.send(route, { proof: id })).catch(
        (error: unknown) => error,
      );

      client.close();
      expect(answer).toStrictEqual({ status: 'error', message: 'Internal server error' });
      expect(lines.warn.filter((each) => each.includes(line))).toHaveLength(1);
      expect(proofs.ran).toStrictEqual([]);
      expect(await app.confirmer.use(id, proof)).toBe(true);
    },
  );
});

describe('A sender that a deployment renamed', () => {
  it('lets a person request a new confirmation, and names the old sender in the log', async () => {
    const database = await openDatabase('sqljs');
    const start = (name: string): Promise<HttpTestApp> =>
      startHttpApp({
        database,
        options: {
          controller: true,
          defaultSender: name,
          senders: { [name]: { backend: () => () => undefined } },
        },
      });
    const before = await start('sms');
    const asked = await ask(before, { token: 'ann@example.com' });
    expect(asked).toMatchObject({ status: 200 });
    const { id } = asked.body as { id: string };
    const row = await before.row(id);
    await before.close();
    app = await start('text');
    await app.dataSource.getRepository('ConfirmationRecord').save(row);
    app.clock.advance(31);
    expect(await app.post('/2factor/resend', { id })).toBeProblem(410, 'sender-removed');
    expect(lines.warn.join('\n')).toContain(
      `The confirmation ${id.slice(0, 14)}... was sent by "sms", and this instance has no sender of that name`,
    );
    await expect(app.twoFactor.resend(id)).rejects.toBeInstanceOf(TwoFactorStateError);
    expect(await ask(app, { token: 'ann@example.com' })).toMatchObject({ status: 200 });
    await app.close();
    app = undefined;
    await database.drop();
  });
});

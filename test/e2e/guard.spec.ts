import {
  BadRequestException,
  Body,
  Controller,
  HttpCode,
  HttpException,
  Injectable,
  Post,
  Res,
  UseFilters,
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { EMPTY, lastValueFrom, of } from 'rxjs';
import { DataSource, type EntityManager } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  ConfirmerService,
  RequireConfirmation,
  TwoFactorCodeMismatchError,
  TwoFactorConfigurationError,
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
  TwoFactorConflictError,
  TwoFactorError,
  TwoFactorExceptionFilter,
  TwoFactorHttpException,
  TwoFactorInputError,
  TwoFactorNoSubjectError,
  TwoFactorNotFoundError,
  TwoFactorRecipientError,
  TwoFactorSendError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  TwoFactorUnavailableError,
  TwoFactorUnknownKeyError,
  type JsonValue,
  type PurposeDefinition,
} from '../../lib/index.js';
import {
  ConfirmationGuard,
  ConfirmationInterceptor,
  PurposeService,
  type RequireConfirmationOptions,
} from '../../lib/http/index.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { startApp } from '../support/test-app.js';

const UNKNOWN_ID = '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq30';
const DETAILS = { amount: '10.00', payee: 'Bob' };

interface Request {
  readonly headers: Record<string, string | undefined>;
  readonly body: JsonValue;
}

const requestOf = (context: ExecutionContext): Request =>
  context.switchToHttp().getRequest<Request>();

/** The user of a request, or of a message. */
function subjectOf(context: ExecutionContext): string | undefined {
  if (context.getType() === 'http') return requestOf(context).headers['x-user'];
  return context.switchToRpc().getData<{ user?: string }>().user;
}

const resolved: PurposeDefinition = { subject: subjectOf, recipient: () => 'ann@example.com' };
const purposes: Record<string, PurposeDefinition> = {
  transfer: resolved,
  'delete-account': resolved,
  'change-phone': { open: true },
};

@Controller('transfers')
class TransferController {
  /** How often each handler ran. */
  static readonly runs: string[] = [];

  constructor(
    private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
  ) {}

  @Post('plain')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  plain(): object {
    TransferController.runs.push('plain');
    return { ok: true };
  }

  @Post('detailed')
  @HttpCode(200)
  @RequireConfirmation('transfer', { details: (context) => requestOf(context).body })
  detailed(@Body() body: object): object {
    return body;
  }

  @Post('refusing')
  @RequireConfirmation('transfer')
  refusing(): never {
    throw new BadRequestException('not today');
  }

  @Post('in-body')
  @HttpCode(200)
  @RequireConfirmation('transfer', {
    confirmationId: (context) => (requestOf(context).body as { proof?: unknown }).proof,
  })
  inBody(): object {
    return { ok: true };
  }

  @Post('filtered')
  @HttpCode(200)
  @UseFilters(TwoFactorExceptionFilter)
  @RequireConfirmation('transfer')
  filtered(): object {
    return { ok: true };
  }

  @Post('handler/using')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async using(@Confirmation() proof: ConfirmationProof): Promise<object> {
    const before = proof.isUsed;
    await proof.use();
    return { id: proof.id, subject: proof.state.subject, spent: [before, proof.isUsed] };
  }

  @Post('handler/forgetting')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  forgetting(): object {
    TransferController.runs.push('forgetting');
    return { ok: true };
  }

  @Post('handler/silent')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  silent(): void {}

  @Post('handler/throwing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  throwing(): never {
    throw new BadRequestException('not today');
  }

  @Post('handler/overtaken')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async overtaken(@Confirmation() proof: ConfirmationProof): Promise<object> {
    await this.confirmer.use(proof.id, { purpose: 'transfer', subject: 'ann' });
    return { ok: true };
  }

  @Post('handler/twice')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async twice(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await proof.use();
    await proof.use();
  }

  @Post('handler/transaction')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transaction(
    @Confirmation() proof: ConfirmationProof,
    @Body() { fails }: { fails?: boolean },
  ): Promise<object> {
    await this.dataSource.transaction(async (manager: EntityManager) => {
      await proof.use({ manager });
      if (fails) throw new BadRequestException('no money');
    });
    return { spent: proof.isUsed };
  }

  @Post('no-proof')
  @HttpCode(200)
  noProof(@Confirmation() _proof: ConfirmationProof): object {
    return { ok: true };
  }
}

@Controller('account')
@RequireConfirmation('transfer')
class AccountController {
  @Post('close')
  @HttpCode(200)
  @RequireConfirmation('delete-account')
  close(): object {
    return { ok: true };
  }

  @Post('empty')
  @HttpCode(200)
  @RequireConfirmation('delete-account', { useIn: 'handler' })
  empty(@Confirmation() proof: ConfirmationProof): object {
    return { purpose: proof.state.purpose };
  }

  @Post('move')
  @HttpCode(200)
  move(): object {
    return { ok: true };
  }
}

/** What an application's own route may throw. */
const ERRORS: Readonly<Record<string, readonly [Error, number, string, object?]>> = {
  input: [new TwoFactorInputError('TYPEDCODE'), 400, 'invalid-request'],
  'no-subject': [new TwoFactorNoSubjectError('TYPEDCODE'), 403, 'no-subject'],
  required: [new TwoFactorConfirmationRequiredError('TYPEDCODE'), 403, 'confirmation-required'],
  'not-found': [new TwoFactorNotFoundError('TYPEDCODE'), 404, 'not-found'],
  'already-confirmed': [new TwoFactorStateError('already-confirmed'), 409, 'already-confirmed'],
  'already-used': [new TwoFactorStateError('already-used'), 409, 'already-used'],
  used: [new TwoFactorConfirmationUsedError('TYPEDCODE'), 409, 'confirmation-used'],
  conflict: [new TwoFactorConflictError('TYPEDCODE'), 409, 'conflict'],
  expired: [new TwoFactorStateError('expired'), 410, 'expired'],
  exhausted: [new TwoFactorStateError('attempts-exhausted'), 410, 'attempts-exhausted'],
  cancelled: [new TwoFactorStateError('cancelled'), 410, 'cancelled'],
  'unknown-key': [new TwoFactorUnknownKeyError('TYPEDCODE'), 410, 'unknown-key'],
  mismatch: [new TwoFactorCodeMismatchError(3), 422, 'code-mismatch', { attemptsLeft: 3 }],
  recipient: [new TwoFactorRecipientError('TYPEDCODE'), 422, 'recipient-not-allowed'],
  'too-many': [
    new TwoFactorTooManyRequestsError('TYPEDCODE', 17, 'cooldown'),
    429,
    'too-many-requests',
    { retryAfter: 17 },
  ],
  'too-many-ever': [
    new TwoFactorTooManyRequestsError('TYPEDCODE', null, 'max-sends'),
    429,
    'too-many-requests',
  ],
  configuration: [new TwoFactorConfigurationError('Set it up.'), 500, 'invalid-configuration'],
  unavailable: [
    new TwoFactorUnavailableError('TYPEDCODE'),
    503,
    'temporarily-unavailable',
    { retryAfter: 1 },
  ],
  send: [
    new TwoFactorSendError('Not sent.', UNKNOWN_ID, new Date('2001-01-01T00:00:00Z')),
    503,
    'send-failed',
    { id: UNKNOWN_ID, resendAt: '2001-01-01T00:00:00.000Z', retryAfter: 1 },
  ],
};

@Controller('own')
@UseFilters(TwoFactorExceptionFilter)
class OwnController {
  @Post('throw')
  throw(@Body() { which }: { which: string }): never {
    throw ERRORS[which]?.[0] ?? new BadRequestException('mine');
  }

  @Post('answered')
  @HttpCode(200)
  answered(@Res() response: { send(text: string): unknown }): never {
    response.send('answered');
    throw new TwoFactorInputError('too late');
  }
}

describe.each(adapters)('A guarded route on $name', ({ create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startHttpApp({
      adapter: create(),
      options: { purposes, controller: true },
      controllers: [TransferController, AccountController, OwnController],
    });
  });
  afterAll(() => app.close());

  /** A proof of Ann's, as the controller would have made it. */
  async function prove(
    binding: { purpose?: string; subject?: string; details?: JsonValue } = {},
  ): Promise<string> {
    const state = await app.confirmer.makeConfirmation({
      purpose: 'transfer',
      subject: 'ann',
      ...binding,
      isConfirmed: true,
    });
    return state.id;
  }

  const call = async (route: string, id?: string, body: unknown = {}): Promise<Answer> =>
    app.post(`/${route}`, body, { 'x-user': 'ann', ...(id && { 'x-confirmation-id': id }) });

  const isUsable = async (id: string): Promise<boolean> => (await app.confirmer.check(id))[1];

  it('runs once for a proof that was confirmed over HTTP', async () => {
    const user = { 'x-user': 'ann' };
    const { id } = await app.twoFactor.request({
      token: 'ann@example.com',
      purpose: 'transfer',
      subject: 'ann',
      details: DETAILS,
    });
    const code = app.outbox.lastCode;
    const pending = await call('transfers/detailed', id, DETAILS);
    expect(pending).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
    await app.post('/2factor/confirm', { id, code }, user);
    const answer = await call('transfers/detailed', id, DETAILS);
    expect(answer).toMatchObject({ status: 200, body: DETAILS });
    expect(await app.row(id)).toMatchObject({ usedAt: app.clock.now() });
    const again = await call('transfers/detailed', id, DETAILS);
    expect(again).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
  });

  describe.each(['plain', 'handler/forgetting', 'handler/using'])('called %s', (name) => {
    const route = `transfers/${name}`;

    it.each([
      ['no header', undefined, 403, 'confirmation-required'],
      ['an unknown id', UNKNOWN_ID, 403, 'confirmation-required'],
      ['a malformed id', 'nonsense', 400, 'invalid-request'],
      ['an id in upper case', UNKNOWN_ID.toUpperCase(), 400, 'invalid-request'],
      ['two ids', `${UNKNOWN_ID}, ${UNKNOWN_ID}`, 400, 'invalid-request'],
    ])('refuses %s', async (_, id, status, error) => {
      expect(await call(route, id)).toMatchObject({ status, body: { status, error } });
    });

    it.each([
      ['another purpose', { purpose: 'delete-account' }],
      ['another subject', { subject: 'eve' }],
      ['other details', { details: DETAILS }],
    ])('refuses a proof for %s, and leaves it usable', async (_, binding) => {
      const id = await prove(binding);
      const answer = await call(route, id);
      expect(answer).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
      expect(await isUsable(id)).toBe(true);
    });

    it('refuses a pending confirmation, which can then be confirmed and used', async () => {
      const state = await app.confirmer.makeConfirmation({ purpose: 'transfer', subject: 'ann' });
      const answer = await call(route, state.id);
      expect(answer).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
      await state.confirm();
      expect(await call(route, state.id)).toMatchObject({ status: 200 });
    });

    it('refuses a proof that is too old', async () => {
      const id = await prove();
      app.clock.advance(300);
      const answer = await call(route, id);
      expect(answer).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
    });

    it('refuses a proof that was cancelled', async () => {
      const id = await prove();
      await app.confirmer.cancel(id);
      expect(await call(route, id)).toMatchObject({ status: 403 });
    });

    it('refuses when nobody is signed in', async () => {
      const id = await prove();
      const answer = await app.post(`/${route}`, {}, { 'x-confirmation-id': id });
      expect(answer).toMatchObject({ status: 403, body: { error: 'no-subject' } });
      expect(await isUsable(id)).toBe(true);
    });

    it('refuses a used proof with 409', async () => {
      const id = await prove();
      expect(await call(route, id)).toMatchObject({ status: 200 });
      const answer = await call(route, id);
      expect(answer).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
    });

    it('succeeds once for twenty calls with one proof', async () => {
      const id = await prove();
      const answers = await Promise.all(Array.from({ length: 20 }, () => call(route, id)));
      const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
      expect(statuses).toStrictEqual([200, ...Array.from({ length: 19 }, () => 409)]);
    });
  });

  describe('that names details', () => {
    it('refuses more money, and still takes the sum that was confirmed', async () => {
      const id = await prove({ details: DETAILS });
      const more = await call('transfers/detailed', id, { ...DETAILS, amount: '10000.00' });
      expect(more).toMatchObject({ status: 403, body: { error: 'confirmation-required' } });
      expect(await call('transfers/detailed', id, {})).toMatchObject({ status: 403 });
      const { amount, payee } = DETAILS;
      expect(await call('transfers/detailed', id, { payee, amount })).toMatchObject({
        status: 200,
      });
    });
  });

  it('refuses a call without the details it is to compare, also on a proof without any', async () => {
    const id = await prove();
    const headers = { 'x-user': 'ann', 'x-confirmation-id': id };
    const answer = await app.call('/transfers/detailed', { method: 'POST', headers });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid-request' } });
    expect(await isUsable(id)).toBe(true);
  });

  describe('that spends in the guard', () => {
    it('has burnt the proof when its handler refuses', async () => {
      const id = await prove();
      expect(await call('transfers/refusing', id)).toMatchObject({ status: 400 });
      expect(await isUsable(id)).toBe(false);
    });

    it('takes the id from where it is told to', async () => {
      const id = await prove();
      expect(await call('transfers/in-body', id)).toMatchObject({ status: 403 });
      for (const proof of [7, [id], { id }, 'nonsense']) {
        expect(await call('transfers/in-body', undefined, { proof })).toMatchObject({
          status: 400,
          body: { error: 'invalid-request' },
        });
      }
      expect(await call('transfers/in-body', undefined, { proof: id })).toMatchObject({
        status: 200,
      });
    });
  });

  describe('that spends in its handler', () => {
    it('hands out the proof, to be spent by it', async () => {
      const id = await prove();
      expect(await call('transfers/handler/using', id)).toMatchObject({
        status: 200,
        body: { id, subject: 'ann', spent: [false, true] },
      });
    });

    it.each(['forgetting', 'silent'])(
      'has spent the proof before the answer of a %s handler',
      async (name) => {
        const id = await prove();
        expect(await call(`transfers/handler/${name}`, id)).toMatchObject({ status: 200 });
        expect(await app.row(id)).toMatchObject({ usedAt: app.clock.now() });
      },
    );

    it('runs a forgetting handler no more once the proof is spent', async () => {
      const id = await prove();
      await call('transfers/handler/forgetting', id);
      const runs = TransferController.runs.length;
      await call('transfers/handler/forgetting', id);
      expect(TransferController.runs).toHaveLength(runs);
    });

    it('keeps the proof when its handler throws', async () => {
      const id = await prove();
      expect(await call('transfers/handler/throwing', id)).toMatchObject({
        status: 400,
        body: { message: 'not today' },
      });
      expect(await isUsable(id)).toBe(true);
    });

    it('answers 409 when another call spent the proof while it ran', async () => {
      const id = await prove();
      const answer = await call('transfers/handler/overtaken', id);
      expect(answer).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
    });

    it('answers 409 when its handler uses the proof twice', async () => {
      const id = await prove();
      const answer = await call('transfers/handler/twice', id);
      expect(answer).toMatchObject({ status: 409, body: { error: 'confirmation-used' } });
    });

    it('spends the proof together with its transaction', async () => {
      const id = await prove();
      const failed = await call('transfers/handler/transaction', id, { fails: true });
      expect(failed).toMatchObject({ status: 400, body: { message: 'no money' } });
      expect(await isUsable(id)).toBe(true);
      const done = await call('transfers/handler/transaction', id);
      expect(done).toMatchObject({ status: 200, body: { spent: true } });
      expect(await call('transfers/handler/transaction', id)).toMatchObject({ status: 409 });
    });

    it('blames the server for a proof that nothing asked for', async () => {
      expect(await call('transfers/no-proof')).toMatchObject({ status: 500 });
    });
  });

  describe('of a guarded class', () => {
    it('asks for what the class asks for', async () => {
      const id = await prove();
      expect(await call('account/move', id)).toMatchObject({ status: 200 });
      expect(await call('account/move', id)).toMatchObject({ status: 409 });
    });

    it.each([
      ['in the guard', 'close', { ok: true }],
      ['in the handler', 'empty', { purpose: 'delete-account' }],
    ])(
      'asks for what the method asks for instead, and spends it once, %s',
      async (_, name, body) => {
        expect(await call(`account/${name}`, await prove())).toMatchObject({ status: 403 });
        const id = await prove({ purpose: 'delete-account' });
        expect(await call(`account/${name}`, id)).toMatchObject({ status: 200, body });
        expect(await call(`account/${name}`, id)).toMatchObject({ status: 409 });
      },
    );
  });

  describe('and its refusals', () => {
    it('are JSON with the right status under the filter of Nest', async () => {
      const answer = await call('transfers/plain');
      expect(answer.body).toStrictEqual({
        type: 'urn:nestjs-two-factor:confirmation-required',
        title: 'This needs a confirmation.',
        status: 403,
        error: 'confirmation-required',
        instance: expect.stringMatching(/^urn:uuid:/) as string,
      });
      expect(answer.status).toBe(403);
      expect(answer.headers['content-type']).toMatch(/^application\/json/);
    });

    it('are problem documents under the filter of this package', async () => {
      const id = await prove();
      const missing = await call('transfers/filtered');
      expect(missing).toBeProblem(403, 'confirmation-required');
      expect(await call('transfers/filtered', 'nonsense')).toBeProblem(400, 'invalid-request');
      expect(await call('transfers/filtered', id)).toMatchObject({ status: 200 });
      expect(await call('transfers/filtered', id)).toBeProblem(409, 'confirmation-used');
    });
  });

  describe('of the application’s own, under TwoFactorExceptionFilter', () => {
    it.each(Object.entries(ERRORS))(
      'answers the error "%s" as a problem, without its message',
      async (which, [error, status, slug, members]) => {
        expect((error as TwoFactorError).code).toBe(slug);
        const answer = await app.post('/own/throw', { which });
        expect(answer).toBeProblem(status, slug, { ...members });
        expect(answer.text).not.toContain('TYPEDCODE');
      },
    );

    it('leaves other errors to the application', async () => {
      const answer = await app.post('/own/throw', { which: 'other' });
      expect(answer).toMatchObject({ status: 400, body: { message: 'mine' } });
    });

    it('adds nothing to an answer that has left', async () => {
      expect(await app.post('/own/answered', {})).toMatchObject({ status: 200, text: 'answered' });
    });

    it('works when it is made by hand for all routes', async () => {
      @Controller('bare')
      class BareController {
        @Post()
        post(): never {
          throw new TwoFactorSendError('Not sent.', UNKNOWN_ID, new Date(Date.now() + 60_000));
        }
      }
      const bare = await startHttpApp({
        adapter: create(),
        controllers: [BareController],
        configure: (each: INestApplication) =>
          each.useGlobalFilters(new TwoFactorExceptionFilter(each.get(HttpAdapterHost))),
      });
      try {
        const answer = await bare.post('/bare', {});
        expect(answer).toMatchObject({ status: 503, body: { error: 'send-failed' } });
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(50);
      } finally {
        await bare.close();
      }
    });
  });
});

const boot = async (controller: Type<unknown>): Promise<unknown> =>
  startApp({ options: { purposes }, controllers: [controller] }).then((app) => app.close());

describe('A guarded route at boot', () => {
  it('is refused for a purpose without subject resolver, by name and with the remedy', async () => {
    @Controller('phones')
    class PhoneController {
      @Post()
      @RequireConfirmation('change-phone')
      change(): void {}
    }
    const failure = boot(PhoneController);
    await expect(failure).rejects.toBeInstanceOf(TwoFactorConfigurationError);
    await expect(failure).rejects.toThrow(
      'PhoneController.change requires a confirmation for "change-phone", which has no subject resolver: anybody ' +
        "could bring anybody's proof. Give it subject and recipient under purposes in the options.",
    );
  });

  it('is refused for an undeclared purpose, by name and with the remedy', async () => {
    @Controller('withdrawals')
    class WithdrawalController {
      @Post()
      @RequireConfirmation('withdraw', { useIn: 'handler' })
      withdraw(): void {}
    }
    await expect(boot(WithdrawalController)).rejects.toThrow(
      'WithdrawalController.withdraw requires a confirmation for "withdraw", which is not declared. Give it subject ' +
        'and recipient under purposes in the options.',
    );
  });

  it('is refused by the name of its class when that asks, and when it is inherited', async () => {
    abstract class Base {
      @Post()
      @RequireConfirmation('withdraw')
      withdraw(): void {}
    }
    @Controller('withdrawals')
    class InheritingController extends Base {}
    await expect(boot(InheritingController)).rejects.toThrow('InheritingController.withdraw ');

    @Controller('withdrawals')
    @RequireConfirmation('withdraw')
    class GuardedController {
      @Post()
      withdraw(): void {}
    }
    await expect(boot(GuardedController)).rejects.toThrow('GuardedController requires ');
  });

  it('is refused in a provider too, where gateways and resolvers are', async () => {
    @Injectable()
    class WithdrawalGateway {
      @RequireConfirmation('withdraw', { confirmationId: () => UNKNOWN_ID })
      withdraw(): void {}
    }
    const failure = startApp({ options: { purposes }, providers: [WithdrawalGateway] });
    await expect(failure).rejects.toThrow('WithdrawalGateway.withdraw ');
  });

  it('is refused by the decorator when no purpose can have that name', () => {
    expect(() => RequireConfirmation('Transfer ')).toThrow(TypeError);
  });

  it('is refused by the decorator when another one stands there', () => {
    expect(() => {
      class Doubled {
        @RequireConfirmation('transfer')
        @RequireConfirmation('delete-account')
        transfer(): void {}
      }
      return Doubled;
    }).toThrow('There are two @RequireConfirmation on transfer.');
    expect(() => {
      @RequireConfirmation('transfer')
      @RequireConfirmation('delete-account')
      class Doubled {}
      return Doubled;
    }).toThrow('There are two @RequireConfirmation on a class.');
  });
});

const fromData = (context: ExecutionContext): unknown =>
  context.switchToRpc().getData<{ proof?: unknown }>().proof;

const handler = (work: () => unknown): CallHandler => ({ handle: () => of(work()) });

const message = (
  proof: unknown,
  options: RequireConfirmationOptions = { confirmationId: fromData },
  rest: readonly unknown[] = [{}],
): ExecutionContext => contextOf('rpc', [{ user: 'ann', proof }, ...rest], options);

describe('A guarded handler outside of HTTP', () => {
  let app: Awaited<ReturnType<typeof startApp>>;
  let guard: ConfirmationGuard;
  const interceptor = new ConfirmationInterceptor();

  beforeAll(async () => {
    app = await startApp({ options: { purposes } });
    const purposeService = app.app.get(PurposeService, { strict: false });
    guard = new ConfirmationGuard(new Reflector(), app.confirmer, purposeService);
  });
  afterAll(() => app.close());

  const prove = async (): Promise<string> =>
    (
      await app.confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        isConfirmed: true,
      })
    ).id;

  it('spends the proof that the message brings, once', async () => {
    const id = await prove();
    expect(await guard.canActivate(message(id))).toBe(true);
    const error = await failureOf(guard.canActivate(message(id)));
    expect(error).toBeInstanceOf(TwoFactorConfirmationUsedError);
    expect(error).not.toBeInstanceOf(HttpException);
  });

  it.each([
    ['none', undefined, TwoFactorConfirmationRequiredError],
    ['an unknown one', UNKNOWN_ID, TwoFactorConfirmationRequiredError],
    ['a malformed one', { $ne: null }, TwoFactorInputError],
  ])('throws the errors of this package for %s', async (_, proof, type) => {
    const error = await failureOf(guard.canActivate(message(proof)));
    expect(error).toBeInstanceOf(type);
    expect(error).toBeInstanceOf(TwoFactorError);
    expect(error).not.toBeInstanceOf(HttpException);
  });

  it('needs to be told where the id is', async () => {
    const error = await failureOf(guard.canActivate(message(await prove(), {})));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(error).toHaveProperty(
      'message',
      'Over rpc there are no headers. Give @RequireConfirmation a confirmationId: (context) => id.',
    );
  });

  it('carries the proof to the handler, and spends what that forgets', async () => {
    const id = await prove();
    const context = message(id, { confirmationId: fromData, useIn: 'handler' });
    await guard.canActivate(context);
    const usable = async (): Promise<boolean> => (await app.confirmer.check(id))[1];
    expect(await usable()).toBe(true);
    const answer = interceptor.intercept(
      context,
      handler(() => 'done'),
    );
    expect(await lastValueFrom(answer)).toBe('done');
    expect(await usable()).toBe(false);
  });

  it('spends the proof also when the handler answers nothing', async () => {
    const id = await prove();
    const context = message(id, { confirmationId: fromData, useIn: 'handler' });
    await guard.canActivate(context);
    const answer = interceptor.intercept(context, { handle: () => EMPTY });
    expect(await lastValueFrom(answer, { defaultValue: 'nothing' })).toBe('nothing');
    expect((await app.confirmer.check(id))[1]).toBe(false);
  });

  it('turns a lost race into an error of this package', async () => {
    const id = await prove();
    const context = message(id, { confirmationId: fromData, useIn: 'handler' });
    await guard.canActivate(context);
    await app.confirmer.use(id, { purpose: 'transfer', subject: 'ann' });
    const answer = interceptor.intercept(
      context,
      handler(() => 'done'),
    );
    const error = await failureOf(lastValueFrom(answer));
    expect(error).toBeInstanceOf(TwoFactorConfirmationUsedError);
    expect(error).not.toBeInstanceOf(HttpException);
  });

  it('says so when the call has nothing that could carry a proof', async () => {
    const context = message(await prove(), { confirmationId: fromData, useIn: 'handler' }, []);
    const error = await failureOf(guard.canActivate(context));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(error).toHaveProperty('message', expect.stringContaining("Use useIn: 'guard'."));
  });

  it('lets a handler pass that needs no proof', async () => {
    const context = contextOf('rpc', [{}, {}]);
    const answer = interceptor.intercept(
      context,
      handler(() => 'done'),
    );
    expect(await lastValueFrom(answer)).toBe('done');
  });

  it('refuses a guard that nobody told what to ask for', async () => {
    const error = await failureOf(guard.canActivate(contextOf('rpc', [{}, {}])));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
  });

  it('throws an HttpException over HTTP, with the problem and its cause', async () => {
    const request = { headers: { 'x-user': 'ann' } };
    const error = await failureOf(guard.canActivate(contextOf('http', [request, {}], {})));
    expect(error).toBeInstanceOf(HttpException);
    const refusal = error as TwoFactorHttpException;
    expect(refusal.getStatus()).toBe(403);
    expect(refusal.getResponse()).toStrictEqual(refusal.problem);
    expect(refusal.problem).toMatchObject({ error: 'confirmation-required', status: 403 });
    expect(refusal.cause).toBeInstanceOf(TwoFactorConfirmationRequiredError);
  });

  it('only ends an answer that has begun to leave', () => {
    const ended: unknown[] = [];
    const httpAdapter = { isHeadersSent: () => true, end: (each: unknown) => ended.push(each) };
    const filter = new TwoFactorExceptionFilter({ httpAdapter } as unknown as HttpAdapterHost);
    const response = {};
    filter.catch(new TwoFactorInputError('too late'), contextOf('http', [{}, response]));
    expect(ended).toStrictEqual([response]);
  });

  it('hands the errors on to a transport that TwoFactorExceptionFilter does not know', () => {
    const filter = new TwoFactorExceptionFilter(app.app.get(HttpAdapterHost));
    const error = new TwoFactorInputError('no');
    expect(() => filter.catch(error, contextOf('telegraph', [{}, {}]))).toThrow(error);
  });
});

/** The context of a call to a handler that asks for a proof, or of one that does not. */
function contextOf(
  type: string,
  args: readonly unknown[],
  options?: RequireConfirmationOptions,
): ExecutionContext {
  class Handlers {
    handle(): void {}
  }
  const descriptor = Object.getOwnPropertyDescriptor(Handlers.prototype, 'handle');
  if (options && descriptor) {
    RequireConfirmation('transfer', options)(Handlers.prototype, 'handle', descriptor);
  }
  const rpc = { getData: () => args[0], getContext: () => args[1] };
  const http = { getRequest: () => args[0], getResponse: () => args[1], getNext: () => args[2] };
  const context = {
    getType: () => type,
    getArgs: () => args,
    getArgByIndex: (index: number) => args[index],
    getClass: () => Handlers,
    getHandler: () => descriptor?.value as unknown,
    switchToRpc: () => rpc,
    switchToHttp: () => http,
  };
  return context as unknown as ExecutionContext;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (value) => {
      throw new Error(`It ended well, with ${String(value)}.`);
    },
    (error: unknown) => error,
  );
}

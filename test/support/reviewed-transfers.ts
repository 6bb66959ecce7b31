import {
  Body,
  Controller,
  createParamDecorator,
  HttpCode,
  Post,
  UseFilters,
  type ExecutionContext,
} from '@nestjs/common';
import { DataSource } from 'typeorm';

import {
  Confirmation,
  ConfirmationProof,
  ConfirmerService,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type MethodName,
  type PurposeDefinition,
} from '../../lib/index.js';
import { header } from '../e2e/controller-fixtures.js';
import type { Answer, HttpTestApp } from './http.js';

const subject = (context: ExecutionContext): string | undefined => header(context, 'x-user');

/** The context of the call, for `use`. */
const CallContext = createParamDecorator((_: unknown, context: ExecutionContext) => context);

/** The purpose of the tests: an app is asked for as soon as the person has one, and a sent code before that. */
export const BY_APP_OR_CODE: PurposeDefinition = {
  subject,
  recipient: (context) => `${subject(context)}@example.com`,
  methods: (_, enrolled: readonly MethodName[]) =>
    enrolled.includes('totp') ? ['totp', 'recovery'] : ['code'],
};

interface ServiceBody {
  readonly id: string;
  readonly user: string;
  readonly idempotencyKey?: string;
}

/** Routes with an effect: with the guard, with the guard and a handler that uses the proof, and as applications wrote them before. */
@Controller('transfers')
@UseFilters(TwoFactorExceptionFilter)
export class ReviewedTransfersController {
  /** What a call of `failing` waits for, once it has its proof. */
  static held: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
  ) {}

  @Post('guarded')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  guarded(): Promise<void> {
    return this.#pay();
  }

  @Post('transactional')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transactional(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      await manager.query('INSERT INTO effect VALUES (1)');
    });
  }

  @Post('failing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async failing(@Confirmation() _proof: ConfirmationProof): Promise<never> {
    await ReviewedTransfersController.held;
    throw new Error('There is no money.');
  }

  /** Uses the proof by the service, in the transaction of the effect. */
  @Post('service')
  @HttpCode(200)
  async service(
    @Body() { id, user, idempotencyKey }: ServiceBody,
    @CallContext() context: ExecutionContext,
  ): Promise<boolean> {
    const binding = { purpose: 'transfer', subject: user, context };
    if (idempotencyKey !== undefined) return this.confirmer.use(id, { ...binding, idempotencyKey });
    return this.dataSource.transaction(async (manager) => {
      const isUsed = await this.confirmer.use(id, { ...binding, manager });
      if (isUsed) await manager.query('INSERT INTO effect VALUES (1)');
      return isUsed;
    });
  }

  @Post('checked')
  @HttpCode(200)
  async checked(
    @Body() { id, user }: ServiceBody,
    @CallContext() context: ExecutionContext,
  ): Promise<boolean> {
    return (await this.confirmer.check(id, { purpose: 'transfer', subject: user, context }))[1];
  }

  /** Uses a proof by any method that the person could once have confirmed it by. */
  @Post('naive')
  @HttpCode(200)
  async naive(@Body() { id, user }: ServiceBody): Promise<boolean> {
    const isUsed = await this.confirmer.use(id, {
      purpose: 'transfer',
      subject: user,
      confirmedBy: ['code', 'totp', 'recovery'],
    });
    if (isUsed) await this.#pay();
    return isUsed;
  }

  async #pay(): Promise<void> {
    await this.dataSource.query('INSERT INTO effect VALUES (1)');
  }
}

export async function openEffects({ dataSource }: HttpTestApp): Promise<void> {
  await dataSource.query('CREATE TABLE effect (paid int NOT NULL)');
}

export async function effectsOf({ dataSource }: HttpTestApp): Promise<number> {
  return (await dataSource.query<unknown[]>('SELECT paid FROM effect')).length;
}

/** A proof of a person by a code that was sent, over HTTP. */
export async function proofByCode(http: HttpTestApp, user: string): Promise<string> {
  const caller = { 'x-user': user };
  const { id, code } = await http.request({ purpose: 'transfer', method: 'code' }, caller);
  const { status, text } = await http.post('/2factor/confirm', { id, code }, caller);
  if (status !== 200) throw new Error(`It was not confirmed: ${text}`);
  return id;
}

/** A proof of a person by another method, over HTTP. */
export async function proofBy(
  http: HttpTestApp,
  user: string,
  response: { readonly method: string; readonly code?: string },
  headers: Record<string, string> = {},
): Promise<string> {
  const caller = { 'x-user': user, ...headers };
  const { method } = response;
  const asked = await http.post(
    '/2factor/request-confirmation',
    { purpose: 'transfer', method },
    caller,
  );
  const { id } = asked.body as { id: string };
  const { status, text } = await http.post('/2factor/confirm', { id, ...response }, caller);
  if (status !== 200) throw new Error(`It was not confirmed: ${asked.text} ${text}`);
  return id;
}

export function transfer(
  http: HttpTestApp,
  route: string,
  user: string,
  id: string,
): Promise<Answer> {
  const headers = { 'x-user': user, 'x-confirmation-id': id };
  return http.post(`/transfers/${route}`, { id, user }, headers);
}

import { Body, Controller, HttpCode, Post, type ExecutionContext } from '@nestjs/common';
import {
  Allow,
  ArrayMaxSize,
  IsEmail,
  IsIn,
  IsOptional,
  IsString,
  Length,
  MaxLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorConfigurationError,
  type PurposeDefinition,
} from '../../lib/index.js';
import { Details } from '../support/details.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { startApp } from '../support/test-app.js';

interface Request {
  readonly headers: Record<string, string | undefined>;
  readonly body: { readonly payment?: unknown } | undefined;
}

const requestOf = (context: ExecutionContext): Request =>
  context.switchToHttp().getRequest<Request>();
const ANN = { 'x-user': 'ann' };
const bound: PurposeDefinition = {
  subject: (context) => requestOf(context).headers['x-user'],
  recipient: () => 'ann@example.com',
};

class Address {
  @IsString()
  @MaxLength(30)
  city!: string;
}

class Parcel {
  @ValidateNested()
  to!: Address;

  @Length(1, 10, { each: true })
  @ArrayMaxSize(30)
  items!: string[];

  @IsOptional()
  @IsIn(['slow', 'fast'])
  speed?: string;
}

class Conditional {
  @ValidateIf(() => false)
  @MaxLength(5)
  note!: unknown;
}

const purposes: Record<string, PurposeDefinition> = {
  transfer: { ...bound, details: Details },
  parcel: { ...bound, details: Parcel },
  conditional: { ...bound, details: Conditional },
  close: { ...bound, details: async (context) => ({ of: requestOf(context).headers['x-user']! }) },
  bare: bound,
  'sign-up': { open: true },
};

@Controller('transfers')
class TransfersController {
  @Post()
  @HttpCode(200)
  @RequireConfirmation('transfer')
  body(@Body() body: object): object {
    return body;
  }

  @Post('handler')
  @HttpCode(200)
  @RequireConfirmation('transfer', {
    useIn: 'handler',
    details: (context) => requestOf(context).body?.payment,
  })
  async member(@Confirmation() proof: ConfirmationProof): Promise<object> {
    await proof.use();
    return { done: true };
  }

  @Post('close')
  @HttpCode(200)
  @RequireConfirmation('close')
  close(): object {
    return { done: true };
  }
}

describe.each(adapters)('The details of a purpose over HTTP on $name', ({ create }) => {
  let app: HttpTestApp;
  beforeEach(async () => {
    app = await startHttpApp({
      adapter: create(),
      controllers: [TransfersController],
      options: { controller: true, purposes },
    });
  });
  afterEach(() => app.close());

  const details = { amount: '10.00', payee: 'Bob' };
  const ask = (purpose: string, given?: unknown): ReturnType<HttpTestApp['post']> =>
    app.post('/2factor/request-confirmation', { purpose, details: given }, ANN);
  const proved = async (purpose: string, given?: object): Promise<string> => {
    const { id, code } = await app.request({ purpose, details: given }, ANN);
    expect(await app.post('/2factor/confirm', { id, code }, ANN)).toMatchObject({ status: 200 });
    return id;
  };
  const call = (path: string, id: string, body: object): ReturnType<HttpTestApp['post']> =>
    app.post(path, body, { ...ANN, 'x-confirmation-id': id });
  /** What the refusal says, of which nothing came. */
  const refusalOf = async (purpose: string, given: unknown): Promise<string> => {
    let detail = '';
    const statements = await app.log.during(async () => {
      const answer = await ask(purpose, given);
      ({ detail = '' } = answer.body as { detail?: string });
      expect(answer).toBeProblem(400, 'invalid-request', { detail });
    });
    expect(statements).toStrictEqual([]);
    expect(app.inbox.deliveries).toStrictEqual([]);
    return detail;
  };

  it('are refused when the purpose declares none', async () => {
    const body = { token: 'ann@example.com', purpose: 'sign-up', details };
    const open = await app.post('/2factor/request-confirmation', body);
    expect(open).toBeProblem(400, 'invalid-request', {
      detail: 'The purpose "sign-up" declares no details. Leave details out.',
    });
    expect(await refusalOf('bare', details)).toContain('declares no details');
    expect(await refusalOf('bare', {})).toContain('declares no details');
  });

  it.each([
    ['all', undefined, 'lack amount, payee. Declared: amount, payee, fee.'],
    ['all, in an empty object', {}, 'lack amount, payee.'],
    ['one', { amount: '10.00' }, 'lack payee.'],
    ['one, said as null', { amount: '10.00', payee: null }, 'lack payee.'],
  ])('answer 400 and name what is missing when it is %s', async (_, given, complaint) => {
    expect(await refusalOf('transfer', given)).toContain(complaint);
  });

  it.each([
    ['a number for a text', { ...details, amount: 10 }, 'cannot be accepted in amount.'],
    ['a text for a number', { ...details, fee: '1' }, 'cannot be accepted in fee.'],
    ['an object for a text', { ...details, payee: { name: 'x' } }, 'cannot be accepted in payee.'],
    ['a list for a text', { ...details, payee: ['Bob'] }, 'cannot be accepted in payee.'],
    ['71 characters', { ...details, payee: 'x'.repeat(71) }, 'cannot be accepted in payee.'],
    [
      '70 characters that others combine with',
      { ...details, payee: `x${'\ufe0f'.repeat(70)}` },
      'a text that no message can take in payee.',
    ],
    ['an undeclared member', { ...details, note: 'canary' }, 'a member that is not declared.'],
    ['two faults', { payee: '' }, 'lack amount and cannot be accepted in payee.'],
  ])('are refused, and never repeated, when they are %s', async (_, given, complaint) => {
    expect(await refusalOf('transfer', given)).toContain(complaint);
    expect((await ask('transfer', given)).text).not.toContain('canary');
  });

  it.each(['\n', '\r', '\u0000', '\u0085', '\u2028', '\u202e', '\u2067', '\u200f', '\u061c'])(
    'are refused when a text has %j',
    async (forged) => {
      const payee = `Bob${forged}@bank.example #123456`;
      expect(await refusalOf('transfer', { ...details, payee })).toContain(
        'a text that no message can take in payee.',
      );
    },
  );

  it('are what was given, without conversion, and no more', async () => {
    const id = await proved('transfer', { ...details, fee: null });
    expect(await app.row(id)).toMatchObject({ details });
    expect(app.inbox.deliveries.at(-1)?.state.details).toStrictEqual(details);
  });

  it.each([
    ['/transfers', details],
    ['/transfers/handler', { payment: details }],
  ])('are checked on the guarded route %s by the same details class', async (path, body) => {
    const id = await proved('transfer', details);
    const changed = (change: object): object =>
      'payment' in body ? { payment: { ...details, ...change } } : { ...details, ...change };
    expect(await call(path, id, changed({ amount: '99.00' }))).toMatchObject({ status: 403 });
    expect(await call(path, id, changed({ fee: 7 }))).toMatchObject({ status: 403 });
    for (const change of [{ amount: 10 }, { note: 'x' }, { payee: undefined }]) {
      const answer = await call(path, id, changed(change));
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid-request' } });
      expect(answer.body).toHaveProperty('detail');
    }
    expect(await app.row(id)).toMatchObject({ usedAt: null });
    expect(await call(path, id, body)).toMatchObject({ status: 200 });
    expect(await call(path, id, body)).toMatchObject({ status: 409 });
  });

  it('are what a function of the server answers, at the request and at the route', async () => {
    expect(await refusalOf('close', { of: 'eve' })).toContain(
      'has details that the application knows.',
    );
    const id = await proved('close');
    expect(await app.row(id)).toMatchObject({ details: { of: 'ann' } });
    expect(await call('/transfers/close', id, {})).toMatchObject({ status: 200 });
  });

  it('may have nested members and lists, up to 16 in all', async () => {
    const parcel = { to: { city: 'Bern' }, items: ['book', 'pen'] };
    const id = await proved('parcel', parcel);
    expect(await app.row(id)).toMatchObject({ details: parcel });
    app.inbox.deliveries.length = 0;
    expect(await refusalOf('parcel', { ...parcel, to: {} })).toContain('lack to.city.');
    expect(await refusalOf('parcel', { ...parcel, to: { city: 'Bern', x: 1 } })).toContain(
      'is not declared',
    );
    expect(await refusalOf('parcel', { ...parcel, to: 'Bern' })).toContain('are not an object');
    expect(await refusalOf('parcel', { ...parcel, speed: 'now' })).toContain(
      'cannot be accepted in speed.',
    );
    expect(await refusalOf('parcel', { ...parcel, items: Array(16).fill('x') })).toContain(
      'more than 16 members',
    );
    expect(await refusalOf('parcel', { ...parcel, items: ['x'.repeat(11)] })).toContain(
      'cannot be accepted in items.',
    );
  });

  it('stay short and flat also where a decorator applies under a condition', async () => {
    expect(await refusalOf('conditional', { note: 'x'.repeat(71) })).toContain(
      'a text that no message can take',
    );
    expect(await refusalOf('conditional', { note: { 'https://evil.example': 1 } })).toContain(
      'no message can take',
    );
  });
});

class Unbounded {
  @IsString()
  note!: string;
}
class TooLong {
  @MaxLength(71)
  note!: string;
}
class AnyMail {
  @IsEmail()
  address!: string;
}
class Allowed {
  @Allow()
  anything!: unknown;
}
class Choice {
  @IsIn(['fine', 'x'.repeat(71)])
  note!: string;
}
class NestedList {
  @ValidateNested({ each: true })
  items!: Address[];
}
class NestedUnbounded {
  @ValidateNested()
  inner!: Unbounded;
}
class Bare {}

describe('The details of a purpose at boot', () => {
  it.each<[string, new () => object, string]>([
    ['a text of any length', Unbounded, 'The member note of purposes.pay.details (Unbounded) may'],
    ['a text of 71 characters', TooLong, 'Give it @MaxLength(70) or less'],
    ['an address of any length', AnyMail, 'The member address of purposes.pay.details'],
    ['anything at all', Allowed, 'The member anything of purposes.pay.details'],
    ['a choice that is too long', Choice, 'The member note of purposes.pay.details (Choice)'],
    ['a list of objects', NestedList, 'The member items of purposes.pay.details (NestedList) has'],
    ['a nested text', NestedUnbounded, 'The member note of purposes.pay.details.inner (Unbounded)'],
    ['no decorators', Bare, 'purposes.pay.details (Bare) has 0 members with decorators'],
  ])('are refused when a class of them lets through %s', async (_, details, message) => {
    const boot = startApp({ options: { purposes: { pay: { ...bound, details } } } });
    await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot).rejects.toThrow(message);
  });
});

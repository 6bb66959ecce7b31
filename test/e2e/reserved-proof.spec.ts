// How a call ends whose proof the guard has reserved: as a use, released, or left reserved, which reads as used.
import {
  BadRequestException,
  Controller,
  HttpCode,
  ParseIntPipe,
  Post,
  Query,
  Res,
  UseInterceptors,
  type NestInterceptor,
} from '@nestjs/common';
import {
  catchError,
  concat,
  of,
  race,
  retry,
  Subject,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  ConfirmerService,
  RequireConfirmation,
  TwoFactorEvents,
  type TwoFactorEvent,
} from '../../lib/index.js';
import { WRONG_CODE } from '../support/canaries.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';
import { enrolPasskey, PASSKEY_METHODS } from '../support/passkeys.js';
import { guardedCaller, purposes } from './guarded-routes.js';

/** Answers the second call of a route out of its memory, without the handler. */
class Cache {
  #answer: unknown;

  forget(): void {
    this.#answer = undefined;
  }

  readonly interceptor: NestInterceptor = {
    intercept: (_context, next) =>
      this.#answer === undefined
        ? next.handle().pipe(
            tap((answer) => {
              this.#answer = answer;
            }),
          )
        : of(this.#answer),
  };
}

const cache = new Cache();
const repeats: NestInterceptor = { intercept: (_, next) => next.handle().pipe(retry(3)) };
const fails: NestInterceptor = {
  intercept: () => throwError(() => new BadRequestException('inner')),
};
const hides: NestInterceptor = {
  intercept: (_, next) => next.handle().pipe(catchError(() => of({ ok: false }))),
};
/** As one that gives up waiting: it fails as soon as the handler has begun. */
const givesUp: NestInterceptor = {
  intercept: (_, next) => {
    patience = new Subject<never>();
    return race(next.handle(), patience);
  },
};
let patience = new Subject<never>();

@Controller('calls')
class CallsController {
  static runs = 0;

  constructor(
    private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
  ) {}

  @Post('forgetting')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  forgetting(@Confirmation() _proof: ConfirmationProof): object {
    CallsController.runs += 1;
    return { ok: true };
  }

  @Post('throwing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  throwing(@Confirmation() _proof: ConfirmationProof): never {
    CallsController.runs += 1;
    throw new BadRequestException('wrong password');
  }

  @Post('piped')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  piped(@Confirmation() _proof: ConfirmationProof, @Query('n', ParseIntPipe) _n: number): void {}

  @Post('inner-failure')
  @UseInterceptors(fails)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  innerFailure(@Confirmation() _proof: ConfirmationProof): void {}

  @Post('hidden-failure')
  @HttpCode(200)
  @UseInterceptors(hides)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  hiddenFailure(@Confirmation() _proof: ConfirmationProof): never {
    throw new BadRequestException('no client reads this');
  }

  @Post('cached')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  @UseInterceptors(cache.interceptor)
  cached(@Confirmation() proof: ConfirmationProof): object {
    CallsController.runs += 1;
    return { id: proof.id };
  }

  @Post('repeated')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  @UseInterceptors(repeats)
  repeated(@Confirmation() _proof: ConfirmationProof): never {
    CallsController.runs += 1;
    throw new BadRequestException('again');
  }

  @Post('given-up')
  @UseInterceptors(givesUp)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  givenUp(@Confirmation() _proof: ConfirmationProof): Promise<never> {
    CallsController.runs += 1;
    // After the handler has returned, as the clock of an interceptor would.
    setImmediate(() => patience.error(new BadRequestException('too slow')));
    return new Promise(() => undefined);
  }

  @Post('answered')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  answered(
    @Confirmation() _proof: ConfirmationProof,
    @Res() response: { send(text: string): unknown },
  ): never {
    response.send('answered');
    throw new BadRequestException('too late');
  }

  @Post('streaming')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  streaming(@Confirmation() _proof: ConfirmationProof): Observable<string> {
    return concat(
      of('first'),
      throwError(() => new BadRequestException('then')),
    );
  }

  @Post('swallowing')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async swallowing(@Confirmation() proof: ConfirmationProof): Promise<object> {
    const transfer = this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      throw new Error('no money');
    });
    await transfer.catch(() => undefined);
    return { ok: true };
  }

  @Post('misspelt')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async misspelt(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await this.dataSource.transaction((manager) => proof.use({ managr: manager } as never));
  }

  @Post('transaction')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transaction(@Confirmation() proof: ConfirmationProof): Promise<object> {
    await this.dataSource.transaction((manager) => proof.use({ manager }));
    return { ok: true };
  }

  @Post('used-then-throwing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async usedThenThrowing(@Confirmation() proof: ConfirmationProof): Promise<never> {
    await proof.use();
    throw new BadRequestException('after the use');
  }

  @Post('erased')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async erased(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await this.confirmer.erase({ subject: 'ann' });
    await this.dataSource.transaction((manager) => proof.use({ manager }));
  }
}

/** How often the handler runs that fails each time: as often as the proof is released, and once more. */
async function failedCalls(app: HttpTestApp, id: string): Promise<number> {
  CallsController.runs = 0;
  const statuses: number[] = [];
  for (let guess = 0; guess < 20; guess += 1) {
    statuses.push((await guardedCaller(() => app).call('calls/throwing', id)).status);
  }
  const { runs } = CallsController;
  expect(statuses).toStrictEqual(Array.from({ length: 20 }, (_, n) => (n < runs ? 400 : 403)));
  const [state, isUsable] = await app.confirmer.check(id);
  expect([state?.status, isUsable]).toEqual(['locked', false]);
  expect(await app.confirmer.use(id, { purpose: 'transfer', subject: 'ann' })).toBe(false);
  return runs;
}

describe('A reserved proof with ten attempts and a passkey', () => {
  it('takes maxAttempts + 5 failed calls, less the attempts that its confirmation has counted', async () => {
    const app = await startHttpApp({
      options: { purposes, controller: true, maxAttempts: 10, methods: PASSKEY_METHODS },
      controllers: [CallsController],
    });
    const { subject, authenticator } = await enrolPasskey(app, 'ann');
    const given = { purpose: 'transfer', subject, methods: ['passkey', 'code'] } as const;
    const byPasskey = await app.confirmer.makeConfirmation(given);
    const challenge = await app.confirmer.challenge(byPasskey.id, { method: 'passkey' });
    const response = authenticator.get(challenge);
    expect((await app.confirmer.confirm(byPasskey.id, { method: 'passkey', response }))[1]).toBe(
      true,
    );
    const byCode = await app.confirmer.makeConfirmation(given);
    await app.confirmer.confirm(byCode.id, WRONG_CODE);
    expect((await app.confirmer.confirm(byCode.id, byCode.code!))[1]).toBe(true);

    expect(await failedCalls(app, byPasskey.id)).toBe(15);
    expect(await failedCalls(app, byCode.id)).toBe(13);
    await app.close();
  });
});

describe.each(adapters)('A reserved proof on $name', ({ create }) => {
  let app: HttpTestApp;
  let events: TwoFactorEvent['type'][];
  const { prove, call, isUsable } = guardedCaller(() => app);

  beforeAll(async () => {
    app = await startHttpApp({
      adapter: create(),
      options: { purposes, controller: true },
      controllers: [CallsController],
    });
    app.app.get(TwoFactorEvents, { strict: false }).subscribe(({ type }) => events.push(type));
  });
  beforeEach(() => {
    events = [];
    CallsController.runs = 0;
    cache.forget();
  });
  afterAll(() => app.close());

  const used = (): number => events.filter((type) => type === 'used').length;

  it.each(['forgetting', 'transaction', 'swallowing', 'hidden-failure'])(
    'is used once, and one event is emitted, after %s has succeeded',
    async (route) => {
      const id = await prove();
      expect(await call(`calls/${route}`, id)).toMatchObject({ status: 200 });
      expect(await app.row(id)).toMatchObject({ usedAt: app.clock.now(), useKey: null });
      expect(await call(`calls/${route}`, id)).toMatchObject({ status: 409 });
      expect(used()).toBe(1);
    },
  );

  it.each(['throwing', 'piped', 'inner-failure', 'misspelt'])(
    'is usable again, and no event is emitted, after %s has failed',
    async (route) => {
      const id = await prove();
      expect(await call(`calls/${route}`, id)).toMatchObject({ status: 400 });
      expect(await app.row(id)).toMatchObject({ usedAt: null, useKey: null, attempts: 1 });
      expect(await isUsable(id)).toBe(true);
      expect(used()).toBe(0);
    },
  );

  it('takes nine failed calls after a code, so that it is no key for guessing a password', async () => {
    const state = await app.confirmer.makeConfirmation({
      purpose: 'transfer',
      subject: 'ann',
      token: 'ann@example.com',
    });
    await app.confirmer.confirm(state, state.code ?? '');

    expect(await failedCalls(app, state.id)).toBe(9);
  });

  it('takes ten failed calls when it was confirmed by hand, which counts no attempt', async () => {
    expect(await failedCalls(app, await prove())).toBe(10);
    const state = await app.confirmer.makeConfirmation({ purpose: 'transfer', subject: 'ann' });
    await state.confirm();
    expect(await failedCalls(app, state.id)).toBe(10);
  });

  it('stays used when the handler fails after it has used the proof', async () => {
    const id = await prove();
    expect(await call('calls/used-then-throwing', id)).toMatchObject({ status: 400 });
    expect(await call('calls/used-then-throwing', id)).toMatchObject({ status: 409 });
    expect(used()).toBe(1);
  });

  it('is answered once when an interceptor outside answers from a cache', async () => {
    const [first, second] = [await prove(), await prove()];
    expect(await call('calls/cached', first)).toMatchObject({ status: 200, body: { id: first } });
    const cached = await call('calls/cached', second);
    expect(cached).toMatchObject({ status: 200, body: { id: first } });
    expect(await call('calls/cached', second)).toMatchObject({ status: 409 });
    expect(await call('calls/cached', first)).toMatchObject({ status: 409 });
    expect(CallsController.runs).toBe(1);
  });

  it('is for one run of the handler when an interceptor outside repeats the call', async () => {
    const id = await prove();
    expect(await call('calls/repeated', id)).toMatchObject({ status: 409 });
    expect(CallsController.runs).toBe(1);
  });

  it('stays used when an interceptor inside answers while the handler runs', async () => {
    const id = await prove();
    expect(await call('calls/given-up', id)).toMatchObject({ status: 400 });
    expect(await call('calls/given-up', id)).toMatchObject({ status: 409 });
    expect(CallsController.runs).toBe(1);
  });

  it.each(['answered', 'streaming'])(
    'stays used when %s fails after it began to answer',
    async (route) => {
      const id = await prove();
      await call(`calls/${route}`, id);
      expect(await call(`calls/${route}`, id)).toMatchObject({ status: 409 });
    },
  );

  it('fails the transaction of the handler when the confirmation was erased meanwhile', async () => {
    const id = await prove();
    expect(await call('calls/erased', id)).toMatchObject({
      status: 409,
      body: { error: 'confirmation-used' },
    });
  });
});

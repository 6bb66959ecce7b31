import { HttpException, type CallHandler, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost, Reflector } from '@nestjs/core';
import { EMPTY, lastValueFrom, of } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  RequireConfirmation,
  TwoFactorConfigurationError,
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
  TwoFactorError,
  TwoFactorExceptionFilter,
  TwoFactorHttpException,
  TwoFactorInputError,
} from '../../lib/index.js';
import {
  ConfirmationGuard,
  ConfirmationInterceptor,
  PurposeService,
  type RequireConfirmationOptions,
} from '../../lib/http/index.js';
import { startApp } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { purposes } from './guarded-routes.js';

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

  it('uses the proof that a message names, and refuses it the second time', async () => {
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

  it('throws a configuration error when no confirmationId says where a message has the id', async () => {
    const error = await failureOf(guard.canActivate(message(await prove(), {})));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(error).toHaveProperty(
      'message',
      'Over rpc there are no headers. Give @RequireConfirmation a confirmationId: (context) => id.',
    );
  });

  it('hands the proof to the handler, and uses the proof itself when the handler did not', async () => {
    const id = await prove();
    const context = message(id, { confirmationId: fromData, useIn: 'handler' });
    await guard.canActivate(context);
    const usable = async (): Promise<boolean> => (await app.confirmer.check(id))[1];
    expect(await usable()).toBe(false);
    const answer = interceptor.intercept(
      context,
      handler(() => 'done'),
    );
    expect(await lastValueFrom(answer)).toBe('done');
    expect(await usable()).toBe(false);
  });

  it('uses the proof also when the handler returns no value', async () => {
    const id = await prove();
    const context = message(id, { confirmationId: fromData, useIn: 'handler' });
    await guard.canActivate(context);
    const answer = interceptor.intercept(context, { handle: () => EMPTY });
    expect(await lastValueFrom(answer, { defaultValue: 'nothing' })).toBe('nothing');
    expect((await app.confirmer.check(id))[1]).toBe(false);
  });

  it('runs the handler once for a proof, and turns a repetition into an error of this package', async () => {
    const context = message(await prove(), { confirmationId: fromData, useIn: 'handler' });
    await guard.canActivate(context);
    let runs = 0;
    const answer = interceptor.intercept(
      context,
      handler(() => (runs += 1)),
    );
    await lastValueFrom(answer);
    const error = await failureOf(lastValueFrom(answer));
    expect(error).toBeInstanceOf(TwoFactorConfirmationUsedError);
    expect(error).not.toBeInstanceOf(HttpException);
    expect(runs).toBe(1);
  });

  it('does not run a handler that needs a proof when no guard ran', () => {
    const context = message(UNKNOWN_ID, { confirmationId: fromData, useIn: 'handler' });
    const run = (): unknown =>
      interceptor.intercept(
        context,
        handler(() => 'done'),
      );
    expect(run).toThrow(TwoFactorConfigurationError);
  });

  it('refuses a call without an object to which a proof can be attached', async () => {
    const context = message(await prove(), { confirmationId: fromData, useIn: 'handler' }, []);
    const error = await failureOf(guard.canActivate(context));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect(error).toHaveProperty('message', expect.stringContaining("Use useIn: 'guard'."));
  });

  it('runs a handler that needs no proof', async () => {
    const context = contextOf('rpc', [{}, {}]);
    const answer = interceptor.intercept(
      context,
      handler(() => 'done'),
    );
    expect(await lastValueFrom(answer)).toBe('done');
  });

  it('refuses a guard when the handler has no decorator that configures it', async () => {
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

  it('ends a response whose headers are sent, and writes no problem into it', () => {
    const ended: unknown[] = [];
    const httpAdapter = { isHeadersSent: () => true, end: (each: unknown) => ended.push(each) };
    const filter = new TwoFactorExceptionFilter({ httpAdapter } as unknown as HttpAdapterHost);
    const response = {};
    filter.catch(new TwoFactorInputError('too late'), contextOf('http', [{}, response]));
    expect(ended).toStrictEqual([response]);
  });

  it('passes the errors on unchanged for a transport that TwoFactorExceptionFilter does not support', () => {
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

import { Controller, type ExecutionContext, UseFilters } from '@nestjs/common';
import type { Metadata } from '@grpc/grpc-js';
import { GrpcMethod, Payload } from '@nestjs/microservices';
import { of, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  RequireConfirmation,
  TwoFactorCodeMismatchError,
  TwoFactorConfigurationError,
  TwoFactorConfirmationRequiredError,
  TwoFactorConflictError,
  TwoFactorExceptionFilter,
  TwoFactorInputError,
  TwoFactorNotFoundError,
  TwoFactorSendError,
  TwoFactorStateError,
  TwoFactorTooManyRequestsError,
  type TwoFactorError,
} from '../../lib/index.js';
import { METHODS } from '../support/authenticator.js';
import { freePort } from '../support/free-port.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { describeTransport, type TransportClient } from './guarded-transport.js';
import { grpcOptions, overGrpc, SERVICE } from './grpc-client.js';
import { transferRoutes } from './transfer-routes.js';
import { Bank, prove, purposesFor, TEN, type TransferCall } from './transfers.js';

const userOf = (context: ExecutionContext): string | undefined => {
  const [user] = context.switchToRpc().getContext<Metadata>().get('x-user');
  return user?.toString();
};
const look = (context: ExecutionContext): TransferCall =>
  context.switchToRpc().getData<TransferCall>();

const { confirmationId, details, TransferRoutes, AccountRoutes } = transferRoutes({
  serves: Controller(),
  route: (name) => GrpcMethod(SERVICE, name),
  body: Payload(),
  look,
  answer: (value) => ({ value }),
});

describeTransport('gRPC', async (engine) => {
  const port = await freePort();
  const test = await startApp({
    engine,
    options: { methods: METHODS, purposes: purposesFor(userOf) },
    providers: [Bank],
    controllers: [TransferRoutes, AccountRoutes],
    configure: (app) => void app.connectMicroservice(grpcOptions(port), { inheritAppConfig: true }),
  });
  await test.app.startAllMicroservices();
  return { ...test, connect: async (user) => overGrpc(port, user) };
});

/** What a handler may throw, and the status code of gRPC for it. */
const ERRORS: Readonly<Record<string, readonly [TwoFactorError, number, Record<string, string>]>> =
  {
    input: [new TwoFactorInputError('x', { detail: 'Größe, 大小, 😀' }), 3, {}],
    required: [new TwoFactorConfirmationRequiredError('x'), 7, {}],
    unknown: [new TwoFactorNotFoundError('x'), 5, {}],
    conflict: [new TwoFactorConflictError('x'), 10, {}],
    expired: [new TwoFactorStateError('expired'), 9, {}],
    mismatch: [new TwoFactorCodeMismatchError(3), 3, {}],
    limit: [new TwoFactorTooManyRequestsError('x', 17, 'cooldown'), 8, { 'retry-after': '17' }],
    configuration: [new TwoFactorConfigurationError('x'), 13, {}],
    send: [
      new TwoFactorSendError('x', UNKNOWN_ID, new Date('2001-01-01')),
      14,
      { 'retry-after': '1' },
    ],
  };

@Controller()
@UseFilters(TwoFactorExceptionFilter)
class ThrowingController {
  @GrpcMethod(SERVICE, 'broken')
  broken({ proof }: TransferCall): never {
    throw ERRORS[String(proof)]![0];
  }

  @GrpcMethod(SERVICE, 'watched')
  @RequireConfirmation('transfer', { confirmationId, details })
  watched(): Observable<object> {
    return of({ value: 'seen' });
  }
}

describe('A gRPC client', () => {
  let test: TestApp;
  let ann: TransportClient;

  beforeAll(async () => {
    const port = await freePort();
    test = await startApp({
      options: { methods: METHODS, purposes: purposesFor(userOf) },
      controllers: [ThrowingController],
      configure: (app) => void app.connectMicroservice(grpcOptions(port)),
    });
    await test.app.startAllMicroservices();
    ann = overGrpc(port, 'ann');
  });
  afterAll(async () => {
    await ann?.close();
    await test?.close();
  });

  it.each(Object.entries(ERRORS))(
    'receives code, slug and retry time of the error %s',
    async (proof, [error, code, trailers]) => {
      const { wire, problem } = await ann.call('broken', { proof });
      expect(wire).toMatchObject({
        code,
        details: expect.stringMatching(/^[A-Z].+\.$/) as string,
        metadata: { 'two-factor-error': error.code, ...trailers },
      });
      expect(problem).toMatchObject({ error: error.code });
      if (!('retry-after' in trailers)) {
        expect(wire).not.toHaveProperty(['metadata', 'retry-after']);
      }
    },
  );

  it('reads texts that are not ASCII', async () => {
    const { problem } = await ann.call('broken', { proof: 'input' });
    expect(problem?.detail).toBe('Größe, 大小, 😀');
  });

  it('receives the refusal of a stream', async () => {
    expect(await ann.call('watched', TEN)).toBeRefused('confirmation-required');
    const proof = await prove(test.confirmer);
    expect(await ann.call('watched', { ...TEN, proof })).toMatchObject({ value: 'seen' });
    expect(await ann.call('watched', { ...TEN, proof })).toBeRefused('confirmation-used');
  });
});

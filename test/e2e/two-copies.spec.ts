// Two copies of the package in one process, as a workspace or `npm link` may load them. What travels between them as a value
// (errors, states, decorated senders) is recognised; what would need the services of the other one refuses the boot and says
// how to keep one. Without that, an application would answer 500 to a wrong code, or a guard would stand in front of nothing.
import { inspect } from 'node:util';

import {
  Body,
  Controller,
  HttpCode,
  Injectable,
  Logger,
  Post,
  UseFilters,
  type Type,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

import * as first from '../../lib/index.js';
import { openDatabase } from '../support/engines.js';
import { startHttpApp } from '../support/http.js';
import { secretOf } from '../support/secret.js';
import { SECRET, startApp, type TestApp, type TestAppInput } from '../support/test-app.js';
import { resolved } from './guarded-routes.js';

type Copy = typeof first;

const COPIES = Symbol.for('nestjs-two-factor:copies');
const REMEDY =
  'Run "npm ls nestjs-two-factor" to find the copies, and keep one: by "npm dedupe", by listing the package under ' +
  'peerDependencies in the libraries of a workspace, or by removing it from the node_modules of a package that is linked.';

async function loadAnotherCopy(): Promise<Copy> {
  vi.resetModules();
  return import('../../lib/index.js');
}

const running: TestApp[] = [];

async function boot(input: TestAppInput): Promise<TestApp> {
  const app = await startApp(input);
  running.push(app);
  return app;
}

async function refusalOf(input: TestAppInput): Promise<string> {
  const error: unknown = await boot(input).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(first.TwoFactorConfigurationError);
  return (error as Error).message;
}

let second: Copy;

afterEach(async () => {
  vi.restoreAllMocks();
  for (const app of running.splice(0)) await app.close();
});
afterAll(() => {
  // The files that follow in this process have one copy again.
  Reflect.deleteProperty(globalThis, COPIES);
  vi.resetModules();
});

const namesOfModules = ({ app }: TestApp): string[] =>
  [...app.get(ModulesContainer).values()].map(({ name }) => name);

describe('With one copy of the package', () => {
  it('nothing is imported and nothing is logged because of copies', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn');
    const test = await boot({});

    expect(namesOfModules(test)).not.toContain('ForeignServicesModule');
    expect(warn.mock.calls.flat().join('\n')).not.toContain('copy');
  });
});

describe('With two copies of the package', () => {
  beforeAll(async () => {
    second = await loadAnotherCopy();
  });

  const errors = Object.values(first).filter(
    (each) => typeof each === 'function' && each.prototype instanceof Error,
  );
  const classes = [...errors, first.ConfirmationState, first.ConfirmationProof] as Type<object>[];
  const namesake = ({ name }: Type<object>): Type<object> =>
    (second as unknown as Record<string, Type<object>>)[name]!;

  it('they are two', () => {
    expect(classes.length).toBeGreaterThan(20);
    for (const each of classes) expect(namesake(each)).not.toBe(each);
  });

  it.each(classes.map((each) => [each.name, each] as const))(
    '%s is an instance of the same classes in both copies, and of no others',
    (_, type) => {
      const instance = Object.create(type.prototype as object) as object;
      const isInstanceOf = (others: readonly Type<object>[]): boolean[] =>
        others.map((each) => instance instanceof each);

      expect(isInstanceOf(classes.map(namesake))).toEqual(isInstanceOf(classes));
      expect(instance).toBeInstanceOf(namesake(type));
    },
  );

  it('a subclass of an application is recognised by its identity alone', () => {
    class OwnError extends second.TwoFactorInputError {}

    expect(new OwnError('mine')).toBeInstanceOf(first.TwoFactorInputError);
    expect(new OwnError('mine')).toBeInstanceOf(OwnError);
    expect(new first.TwoFactorInputError('ours')).not.toBeInstanceOf(OwnError);
    expect(new second.TwoFactorInputError('theirs')).not.toBeInstanceOf(OwnError);
  });

  it('what looks like an error is none: neither by its names, nor as text, nor as a primitive', () => {
    const error = new second.TwoFactorConflictError('lost');
    const { name, message, code } = error;
    const copied = { name, message, code };
    for (const value of [copied, JSON.parse(JSON.stringify(error)), 'TwoFactorError', null, 1]) {
      expect(value instanceof first.TwoFactorError).toBe(false);
    }
  });

  it('an error shows no brand, in JSON, by its keys, or printed', () => {
    const error = new first.TwoFactorConflictError('lost');

    expect(Reflect.ownKeys(error).filter((key) => typeof key === 'symbol')).toEqual([]);
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'conflict',
      name: 'TwoFactorConflictError',
    });
    expect(inspect(error)).not.toContain('nestjs-two-factor:class');
  });

  it('a state of the one is an instance of the class of the other', async () => {
    const { confirmer } = await boot({});
    const state = await confirmer.makeConfirmation({ token: 'ann@example.com' });

    expect(state).toBeInstanceOf(second.ConfirmationState);
    expect({ id: state.id }).not.toBeInstanceOf(second.ConfirmationState);
  });

  it('the filter of the one answers the errors of the other, with all of their members', async () => {
    const thrown: Record<string, unknown> = {
      limit: new first.TwoFactorTooManyRequestsError('slow', 7, 'failures'),
      input: new first.TwoFactorInputError('bad', { detail: 'Known: amount.' }),
      code: new first.TwoFactorCodeMismatchError(3),
      own: new second.TwoFactorConflictError('lost'),
    };
    @UseFilters(second.TwoFactorExceptionFilter)
    @Controller('throws')
    class ThrowingController {
      @Post()
      throws(@Body() { name }: { name: string }): void {
        throw thrown[name];
      }
    }
    const test = await startHttpApp({ controllers: [ThrowingController] });
    running.push(test);
    const answers: unknown[] = [];
    for (const name of Object.keys(thrown)) {
      const { status, headers, body } = await test.post('/throws', { name });
      expect(headers['content-type']).toContain('application/problem+json');
      const { error, detail, attemptsLeft, retryAfter } = body as Record<string, unknown>;
      answers.push([status, error, detail, attemptsLeft, retryAfter]);
    }

    expect(answers).toEqual([
      [429, 'too-many-requests', undefined, undefined, 7],
      [400, 'invalid-request', 'Known: amount.', undefined, undefined],
      [422, 'code-mismatch', undefined, 3, undefined],
      [409, 'conflict', undefined, undefined, undefined],
    ]);
  });

  it('one copy finds a sender that the other decorated, and recognises its permanent refusal', async () => {
    @second.SenderBackend('sms', { verboseName: 'Text message' })
    class SmsBackend implements first.SenderBackend {
      send(): void {
        throw new second.TwoFactorRecipientError('A land line.');
      }
    }
    const { twoFactor } = await boot({ providers: [SmsBackend] });
    const sent = twoFactor.request({ token: '+4915123456789', way: 'sms' });

    await expect(sent).rejects.toBeInstanceOf(first.TwoFactorRecipientError);
  });

  it.each([
    'ConfirmerService',
    'FactorService',
    'LimitService',
    'SenderService',
    'TwoFactorEvents',
    'TwoFactorService',
  ] as const)('the boot is refused where a class injects the %s of the other', async (name) => {
    const Service: Type<object> = second[name];
    @Injectable()
    class Consumer {
      constructor(readonly service: object) {}
    }
    Reflect.defineMetadata('design:paramtypes', [Service], Consumer);

    expect(await refusalOf({ providers: [Consumer] })).toBe(
      `Something injects the ${name} of another copy of nestjs-two-factor than TwoFactorModule. ${REMEDY}`,
    );
  });

  it('the boot is refused for @RequireConfirmation of the other', async () => {
    @Controller('transfers')
    class TransferController {
      @Post()
      @second.RequireConfirmation('transfer')
      transfer(): void {}
    }
    const input = {
      options: { purposes: { transfer: resolved } },
      controllers: [TransferController],
    };

    expect(await refusalOf(input)).toBe(
      `Something injects the ConfirmerService of another copy of nestjs-two-factor than TwoFactorModule. ${REMEDY}`,
    );
    // A test that overrides the guard of the other copy overrides none of this one.
    const overridden = await refusalOf({
      ...input,
      override: (builder) =>
        builder.overrideGuard(second.ConfirmationGuard).useValue({ canActivate: () => true }),
    });
    expect(overridden).toContain(
      'TransferController.transfer has @RequireConfirmation, and another',
    );
    expect(overridden).toContain(`two copies of nestjs-two-factor are loaded. ${REMEDY}`);
  });

  it('the boot is refused for @Confirmation() of the other', async () => {
    @Controller('transfers')
    class TransferController {
      @Post()
      @HttpCode(200)
      @first.RequireConfirmation('transfer', { useIn: 'handler' })
      transfer(@second.Confirmation() proof: first.ConfirmationProof): object {
        return proof;
      }
    }
    expect(
      await refusalOf({
        options: { purposes: { transfer: resolved } },
        controllers: [TransferController],
      }),
    ).toBe(
      `A parameter has the @Confirmation() of another copy of nestjs-two-factor than TwoFactorModule. ${REMEDY}`,
    );
  });

  it('the boot is refused for a method of the other, with the likely reason', async () => {
    const methods = [second.totp({ issuer: 'ACME' })];

    expect(await refusalOf({ options: { methods } })).toContain(REMEDY);
  });

  it('the boot is refused for the entities of the other, with the likely reason', async () => {
    const dataSource = { autoLoadEntities: false, entities: [...second.TWO_FACTOR_ENTITIES] };

    expect(await refusalOf({ dataSource })).toContain(REMEDY);
  });

  it('the boot is refused for the modules of both', async () => {
    const imports = [
      second.TwoFactorModule.forRoot({
        secret: secretOf('the module of the other copy'),
        isGlobal: false,
        autoPurge: false,
      }),
    ];
    const said = await refusalOf({ imports });

    expect(said).toContain(REMEDY);
  });

  it('one that nothing uses is named in the log, and the application works', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn');
    const { twoFactor } = await boot({});

    await expect(twoFactor.request({ token: 'ann@example.com' })).resolves.toHaveProperty('id');
    expect(warn.mock.calls.flat().filter((line) => String(line).includes(REMEDY))).toHaveLength(1);
  });

  it('a copy that is loaded after the options were given is refused as well', async () => {
    const database = await openDatabase('sqljs');
    const definition = first.TwoFactorModule.forRoot({ secret: SECRET, autoPurge: false });
    const third = await loadAnotherCopy();
    @Injectable()
    class Consumer {
      constructor(readonly events: object) {}
    }
    Reflect.defineMetadata('design:paramtypes', [third.TwoFactorEvents], Consumer);
    const booting = Test.createTestingModule({
      imports: [
        TypeOrmModule.forRoot({ ...database.options, autoLoadEntities: true, retryAttempts: 0 }),
        definition,
      ],
      providers: [Consumer],
    }).compile();

    await expect(booting).rejects.toThrow(
      'Something injects the TwoFactorEvents of another copy of nestjs-two-factor than TwoFactorModule.',
    );
    await database.drop();
  });
});

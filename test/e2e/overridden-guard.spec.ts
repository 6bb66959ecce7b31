import { Controller, HttpCode, Module, Post } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import { describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationGuard,
  ConfirmationProof,
  ConfirmerService,
  RequireConfirmation,
  TWO_FACTOR_ENTITIES,
  TwoFactorConfigurationError,
  TwoFactorModule,
  TwoFactorService,
} from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { startHttpApp } from '../support/http.js';
import { SECRET } from '../support/test-app.js';
import { purposes } from './guarded-routes.js';

@Controller('transfers')
class TransferController {
  @Post('guard')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  guard(): object {
    return { ok: true };
  }

  @Post('handler')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  handler(@Confirmation() _proof: ConfirmationProof): object {
    return { ok: true };
  }
}

/** The handlers before which the overriding guard ran. */
const asked: string[] = [];

describe('A test of an application', () => {
  it('overrides ConfirmationGuard, so that guarded routes run without a proof', async () => {
    const app = await startHttpApp({
      options: { purposes },
      controllers: [TransferController],
      override: (builder) =>
        builder.overrideGuard(ConfirmationGuard).useValue({
          canActivate: (context: { getHandler(): { name: string } }) => {
            asked.push(context.getHandler().name);
            return true;
          },
        }),
    });
    try {
      expect(await app.post('/transfers/guard', {})).toMatchObject({ status: 200 });
      expect(asked).toStrictEqual(['guard']);
      // No guard has reserved a proof that @Confirmation() could inject.
      expect(await app.post('/transfers/handler', {})).toMatchObject({ status: 500 });
    } finally {
      await app.close();
    }
  });

  it('overrides it by one that refuses', async () => {
    const app = await startHttpApp({
      options: { purposes },
      controllers: [TransferController],
      override: (builder) =>
        builder.overrideGuard(ConfirmationGuard).useValue({ canActivate: () => false }),
    });
    try {
      expect(await app.post('/transfers/guard', {})).toMatchObject({ status: 403 });
    } finally {
      await app.close();
    }
  });
});

describe('A module that LazyModuleLoader loads', () => {
  it('is refused with the remedy when it is TwoFactorModule', async () => {
    const database = TypeOrmModule.forRoot({
      type: 'sqljs',
      synchronize: true,
      entities: [...TWO_FACTOR_ENTITIES],
    });
    const module = await Test.createTestingModule({ imports: [database] }).compile();
    const app = await module.createNestApplication().init();
    try {
      const lazy = TwoFactorModule.forRoot({
        secret: SECRET,
        codeGenerator: drawCanaryCode,
        senders: { default: { backend: () => () => undefined } },
      });
      const loaded = app.get(LazyModuleLoader).load(() => lazy);
      const used = loaded.then((each) =>
        each.get(TwoFactorService).request({ token: 'ann@example.com' }),
      );
      await expect(used).rejects.toBeInstanceOf(TwoFactorConfigurationError);
      await expect(used).rejects.toThrow(
        'If LazyModuleLoader loads TwoFactorModule, import it in a module of the application instead',
      );
    } finally {
      await app.close();
    }
  });

  it('uses the services of an application that imports TwoFactorModule itself', async () => {
    @Module({ providers: [] })
    class Lazy {
      constructor(readonly confirmer: ConfirmerService) {}
    }
    const app = await startHttpApp({ options: {} });
    try {
      const loaded = await app.app.get(LazyModuleLoader).load(() => Lazy);
      const { confirmer } = loaded.get(Lazy);
      const { id } = await confirmer.makeConfirmation({ isConfirmed: true });
      expect(await confirmer.use(id)).toBe(true);
    } finally {
      await app.close();
    }
  });
});

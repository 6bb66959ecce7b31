import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';

import {
  ConfirmerService,
  LimitService,
  SenderService,
  TwoFactorModule,
  TwoFactorService,
  type TwoFactorModuleOptions,
} from '../../lib/index.js';
import { secretOf } from '../support/secret.js';

const SECRET = secretOf('the event loop');

/**
 * The limits as they are by default, but for those that count messages: after some hundred of them every text would be
 * refused before it is read.
 */
const LIMITS: NonNullable<Exclude<TwoFactorModuleOptions['limits'], false>> = {
  pending: false,
  sendsPerToken: false,
  sendsPerRequester: false,
  sendsPerNetwork: false,
  sendsPerSender: false,
  sendsInTotal: false,
};

export interface ApplicationInput {
  readonly options?: Partial<TwoFactorModuleOptions>;
  readonly limits?: Partial<typeof LIMITS>;
  readonly adapter?: AbstractHttpAdapter;
  readonly configure?: (app: INestApplication) => void;
  readonly imports?: ModuleMetadata['imports'];
  readonly providers?: ModuleMetadata['providers'];
  readonly controllers?: ModuleMetadata['controllers'];
}

export interface Application {
  readonly app: INestApplication;
  readonly confirmer: ConfirmerService;
  readonly limits: LimitService;
  readonly sender: SenderService;
  readonly twoFactor: TwoFactorService;
}

/** A whole application on a database in this process. It sends nothing unless the options say otherwise. */
export async function openApplication(input: ApplicationInput = {}): Promise<Application> {
  const module = await Test.createTestingModule({
    imports: [
      TypeOrmModule.forRoot({
        type: 'sqljs',
        autoLoadEntities: true,
        synchronize: true,
        logging: false,
      }),
      TwoFactorModule.forRoot({
        secret: SECRET,
        senders: { default: { backend: () => async () => undefined } },
        autoPurge: false,
        controller: input.adapter !== undefined,
        ...input.options,
        limits: { ...LIMITS, ...input.limits },
      }),
      ...(input.imports ?? []),
    ],
    providers: input.providers ?? [],
    controllers: input.controllers ?? [],
  }).compile();
  const options = { logger: false } as const;
  const app = input.adapter
    ? module.createNestApplication(input.adapter, options)
    : module.createNestApplication(options);
  input.configure?.(app);
  await app.init();
  return {
    app,
    confirmer: app.get(ConfirmerService, { strict: false }),
    limits: app.get(LimitService, { strict: false }),
    sender: app.get(SenderService, { strict: false }),
    twoFactor: app.get(TwoFactorService, { strict: false }),
  };
}

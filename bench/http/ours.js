import 'reflect-metadata';
import { randomBytes } from 'node:crypto';

import { Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { functionalSenderBackend, RequireConfirmation, TwoFactorModule } from 'nestjs-two-factor';

import { POOL_SIZE, PURPOSE } from '../contenders/contender.js';
import { joinOption } from '../contenders/joins.js';
import { drawKnownCode } from '../contenders/ours.js';
import { userOf } from './user-of.js';

const ADAPTERS = { fastify: FastifyAdapter, express: ExpressAdapter };
/** All that a budget of messages can be, since all cycles come from one machine within an hour. */
const PLENTY = [{ max: 1_000_000, perSeconds: 3_600 }];

const signedIn = (context) => userOf(context.switchToHttp().getRequest());

/** The route that needs a proof. */
class PayController {
  pay() {
    return { done: true };
  }
}
const pay = Object.getOwnPropertyDescriptor(PayController.prototype, 'pay');
for (const decorate of [Post(), HttpCode(200), RequireConfirmation(PURPOSE)]) {
  decorate(PayController.prototype, 'pay', pay);
}
Controller('pay')(PayController);

/**
 * Our controller, and a route of the application that is guarded.
 *
 * @param {{ url: string, adapter: 'fastify' | 'express', join: boolean, limits: boolean }} options
 */
export async function listen({ url, adapter, join, limits }) {
  class ApplicationModule {}
  Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        poolSize: POOL_SIZE,
        autoLoadEntities: true,
        retryAttempts: 0,
      }),
      TwoFactorModule.forRoot({
        secret: randomBytes(32).toString('base64'),
        senders: { default: { backend: functionalSenderBackend(() => undefined) } },
        purposes: {
          [PURPOSE]: {
            subject: signedIn,
            recipient: (context) => `${signedIn(context)}@example.com`,
          },
        },
        codeGenerator: drawKnownCode,
        controller: true,
        limits: limits && { sendsInTotal: { bound: PLENTY } },
        ...joinOption(join),
      }),
    ],
    controllers: [PayController],
  })(ApplicationModule);
  const application = await NestFactory.create(ApplicationModule, new ADAPTERS[adapter](), {
    logger: ['fatal', 'error', 'warn'],
    abortOnError: false,
    forceCloseConnections: true,
  });
  await application.listen(0, '127.0.0.1');
  const { port } = application.getHttpServer().address();
  return { port, close: () => application.close() };
}

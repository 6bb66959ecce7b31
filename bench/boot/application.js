// An application that answers as soon as it can, and says when: `node application.js <database> [with]`.
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';

import { Controller, Module, Post, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { IsString } from 'class-validator';
import { EntitySchema } from 'typeorm';

const [url, isWith] = process.argv.slice(2);
/** When each of them was done, since the process was made. */
const phases = { peers: performance.now() };

class Body {}
IsString()(Body.prototype, 'name');

class NamesController {
  name() {
    return {};
  }
}
Post()(
  NamesController.prototype,
  'name',
  Object.getOwnPropertyDescriptor(NamesController.prototype, 'name'),
);
Controller('names')(NamesController);

const Name = new EntitySchema({
  name: 'Name',
  columns: { id: { type: 'int', primary: true }, name: { type: 'varchar' } },
});

class ApplicationModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url, autoLoadEntities: true, retryAttempts: 0 }),
    TypeOrmModule.forFeature([Name]),
    ...(isWith ? [await twoFactor()] : []),
  ],
  controllers: [NamesController],
})(ApplicationModule);

async function twoFactor() {
  // Its loading is part of what it costs.
  const { functionalSenderBackend, TwoFactorModule } = await import('nestjs-two-factor');
  return TwoFactorModule.forRoot({
    secret: randomBytes(32).toString('base64'),
    senders: { default: { backend: functionalSenderBackend(() => undefined) } },
    controller: true,
  });
}

phases.module = performance.now();
const application = await NestFactory.create(ApplicationModule, { logger: false });
phases.create = performance.now();
application.useGlobalPipes(new ValidationPipe());
await application.listen(0, '127.0.0.1');
phases.listen = performance.now();
process.send({ time: phases.listen, phases }, () => process.exit());

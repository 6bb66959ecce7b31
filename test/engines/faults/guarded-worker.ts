// An application with a guarded route, to be killed while a call runs.
import 'reflect-metadata';

import { Controller, Inject, Module, Post, type ExecutionContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';

import {
  Confirmation,
  ConfirmationProof,
  functionalSenderBackend,
  RequireConfirmation,
  TwoFactorModule,
} from '../../../lib/index.js';

const { DATABASE, SECRET = '' } = process.env;

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const userOf = (context: ExecutionContext): string | undefined =>
  context.switchToHttp().getRequest<Request>().headers['x-user'];

@Controller('transfers')
class TransfersController {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  @Post('transactional')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transactional(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      await manager.query(`INSERT INTO effect VALUES ('${proof.id}')`);
      await manager.query(`SELECT 'before the commit'`);
    });
  }

  @Post('forgetful')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async forgetful(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await this.dataSource.query(`INSERT INTO effect VALUES ('${proof.id}')`);
  }
}

@Module({
  imports: [
    TypeOrmModule.forRoot({
      ...(JSON.parse(DATABASE ?? '') as TypeOrmModuleOptions),
      autoLoadEntities: true,
      retryAttempts: 0,
    }),
    TwoFactorModule.forRoot({
      secret: SECRET,
      autoPurge: false,
      databaseTimeoutMs: 60_000,
      purposes: { transfer: { subject: userOf, recipient: () => 'ann@example.com' } },
      senders: { default: { backend: functionalSenderBackend(async () => undefined) } },
    }),
  ],
  controllers: [TransfersController],
})
class WorkerModule {}

const app = await NestFactory.create(WorkerModule, { logger: false });
await app.listen(0, '127.0.0.1');
// The parent is gone: no other process will kill this one.
process.on('disconnect', () => process.exit());
process.send?.(await app.getUrl());

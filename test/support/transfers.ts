import { Body, Controller, HttpCode, Inject, Post, UseFilters } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
} from '../../lib/index.js';

/** The body of a transfer: in which isolation its transaction runs; absent: in that of the server. */
export interface TransferBody {
  readonly isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';
}

/** `POST /transfers` uses its proof in a transaction of the handler, together with the effect of a subclass. */
@Controller('transfers')
@UseFilters(TwoFactorExceptionFilter)
export class TransfersController {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  @Post()
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transfer(
    @Confirmation() proof: ConfirmationProof,
    @Body() { isolation }: TransferBody,
  ): Promise<{ done: true }> {
    const work = async (manager: EntityManager): Promise<void> => {
      await proof.use({ manager });
      await this.effect(manager, proof);
    };
    await (isolation === undefined
      ? this.dataSource.transaction(work)
      : this.dataSource.transaction(isolation, work));
    return { done: true };
  }

  protected async effect(_manager: EntityManager, _proof: ConfirmationProof): Promise<void> {}
}

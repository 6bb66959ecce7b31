import { Body, Controller, Get, HttpCode, Post, Query, UseGuards } from '@nestjs/common';
import { ApiCookieAuth, ApiHeader, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Confirmation, ConfirmationProof, RequireConfirmation } from 'nestjs-two-factor';

import { User } from '../accounts/user.entity.js';
import { CurrentUser } from '../sessions/current.decorators.js';
import { SessionGuard } from '../sessions/session.guard.js';
import { TransferAnswer, TransferDetails, TransferQuery } from './transfers.dto.js';
import { TransfersService } from './transfers.service.js';

@ApiTags('transfers')
@ApiCookieAuth()
@UseGuards(SessionGuard)
@Controller('api/v1/transfers')
export class TransfersController {
  constructor(private readonly transfers: TransfersService) {}

  @Get()
  @ApiOkResponse({ type: [TransferAnswer] })
  list(
    @CurrentUser() user: User,
    @Query() { confirmationId }: TransferQuery,
  ): Promise<TransferAnswer[]> {
    return confirmationId === undefined
      ? this.transfers.list(user)
      : this.transfers.madeBy(user, confirmationId);
  }

  @Post()
  @HttpCode(204)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  @ApiHeader({
    name: 'X-Confirmation-Id',
    description: 'Confirmation of transfer { amount: "10.50", payee: "bob@bank.example" }.',
  })
  async transfer(
    @CurrentUser() user: User,
    @Body() body: TransferDetails,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<void> {
    await this.transfers.transfer(user, body, proof);
  }
}

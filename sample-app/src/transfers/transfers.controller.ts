import { Body, Controller, Get, Header, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiCookieAuth, ApiHeader, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Confirmation, ConfirmationProof, RequireConfirmation } from 'nestjs-two-factor';

import { User } from '../accounts/user.entity.js';
import { CurrentUser } from '../sessions/current-user.decorator.js';
import { SessionGuard } from '../sessions/session.guard.js';
import { transferDetails } from '../two-factor/details.js';
import { TransferAnswer, TransferBody } from './transfers.dto.js';
import { TransfersService } from './transfers.service.js';

@ApiTags('transfers')
@ApiCookieAuth()
@UseGuards(SessionGuard)
@Controller('api/v1/transfers')
export class TransfersController {
  constructor(private readonly transfers: TransfersService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ApiOkResponse({ type: [TransferAnswer] })
  list(@CurrentUser() user: User): Promise<TransferAnswer[]> {
    return this.transfers.list(user);
  }

  @Post()
  @HttpCode(204)
  @RequireConfirmation('transfer', { useIn: 'handler', details: transferDetails })
  @ApiHeader({
    name: 'X-Confirmation-Id',
    description: 'Confirmation of { amount: "10.50 EUR", payee: "bob@bank.example" }.',
  })
  async transfer(
    @CurrentUser() user: User,
    @Body() body: TransferBody,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<void> {
    await this.transfers.transfer(user, body, proof);
  }
}

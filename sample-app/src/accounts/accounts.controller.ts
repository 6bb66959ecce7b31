import { Body, Controller, Get, HttpCode, Post, Put, Req, Res, UseGuards } from '@nestjs/common';
import { ApiCookieAuth, ApiHeader, ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import { Confirmation, ConfirmationProof, RequireConfirmation } from 'nestjs-two-factor';

import type { HttpRequest, HttpResponse } from '../http/http.js';
import { CurrentUser } from '../sessions/current.decorators.js';
import { SessionGuard } from '../sessions/session.guard.js';
import { SessionService } from '../sessions/session.service.js';
import { fromCents } from '../transfers/money.js';
import { phoneDetails } from '../two-factor/details.js';
import { AccountAnswer, PasswordBody, PhoneBody, SignUpBody } from './accounts.dto.js';
import { ChangesService } from './changes.service.js';
import { SignUpService } from './sign-up.service.js';
import { User } from './user.entity.js';

@ApiTags('accounts')
@Controller('api/v1')
export class AccountsController {
  constructor(
    private readonly signUps: SignUpService,
    private readonly changes: ChangesService,
    private readonly sessions: SessionService,
  ) {}

  @Post('accounts')
  @HttpCode(204)
  @ApiNoContentResponse({ description: 'Needs a confirmation with the purpose sign-up.' })
  async signUp(@Body() body: SignUpBody, @Req() request: HttpRequest): Promise<void> {
    await this.signUps.signUp(body, request);
  }

  @Get('me')
  @UseGuards(SessionGuard)
  @ApiCookieAuth()
  me(@CurrentUser() { id, email, phone, balanceCents }: User): AccountAnswer {
    return { id, email, phone, balance: fromCents(balanceCents) };
  }

  @Put('me/phone')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  @RequireConfirmation('change-phone', { useIn: 'handler', details: phoneDetails })
  @ApiCookieAuth()
  @ApiHeader({ name: 'X-Confirmation-Id', description: 'Confirmation of change-phone { phone }.' })
  @ApiNoContentResponse({ description: 'Changed. All other sessions have ended.' })
  async changePhone(
    @CurrentUser() user: User,
    @Body() body: PhoneBody,
    @Confirmation() proof: ConfirmationProof,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    const token = await this.changes.changePhone(user, body, proof, request);
    this.sessions.setCookie(response, token);
  }

  @Put('me/password')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  @RequireConfirmation('change-password', { useIn: 'handler' })
  @ApiCookieAuth()
  @ApiHeader({ name: 'X-Confirmation-Id', description: 'Confirmation of change-password.' })
  @ApiNoContentResponse({ description: 'Changed. All other sessions have ended.' })
  async changePassword(
    @CurrentUser() user: User,
    @Body() body: PasswordBody,
    @Confirmation() proof: ConfirmationProof,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    const token = await this.changes.changePassword(user, body, proof, request);
    this.sessions.setCookie(response, token);
  }
}

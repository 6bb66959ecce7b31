import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Post,
  Put,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { ApiCookieAuth, ApiHeader, ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import { Confirmation, ConfirmationProof, RequireConfirmation } from 'nestjs-two-factor';

import type { HttpRequest, HttpResponse } from '../sessions/http.js';
import { CurrentUser } from '../sessions/current-user.decorator.js';
import { SessionGuard } from '../sessions/session.guard.js';
import { SessionService } from '../sessions/session.service.js';
import { fromCents } from '../transfers/money.js';
import { phoneDetails } from '../two-factor/details.js';
import {
  AccountAnswer,
  CodeSentAnswer,
  PhoneBody,
  SessionBody,
  SignInBody,
  SignUpBody,
} from './accounts.dto.js';
import { AccountsService } from './accounts.service.js';
import { User } from './user.entity.js';

@ApiTags('accounts')
@Controller('api/v1')
export class AccountsController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly sessions: SessionService,
  ) {}

  @Post('accounts')
  @HttpCode(204)
  @ApiNoContentResponse({ description: 'Needs a confirmation with the purpose sign-up.' })
  async signUp(@Body() body: SignUpBody): Promise<void> {
    await this.accounts.signUp(body);
  }

  @Post('sign-in')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async requestSignIn(@Body() body: SignInBody): Promise<CodeSentAnswer> {
    const request = await this.accounts.requestSignIn(body);
    const { id, expiresAt, resendAt, attemptsLeft, codeLength, maskedToken } = request;
    return { id, expiresAt, resendAt, attemptsLeft, codeLength, maskedToken };
  }

  @Post('sessions')
  @HttpCode(204)
  @ApiNoContentResponse({ description: 'Needs the confirmation of the sign-in.' })
  async signIn(
    @Body() body: SessionBody,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    this.sessions.setCookie(response, await this.accounts.signIn(body));
  }

  @Delete('sessions/current')
  @HttpCode(204)
  async signOut(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    await this.sessions.close(request);
    this.sessions.clearCookie(response);
  }

  @Get('me')
  @Header('Cache-Control', 'no-store')
  @UseGuards(SessionGuard)
  @ApiCookieAuth()
  me(@CurrentUser() { email, phone, balanceCents }: User): AccountAnswer {
    return { email, phone, balance: fromCents(balanceCents) };
  }

  @Put('me/phone')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  @RequireConfirmation('change-phone', { useIn: 'handler', details: phoneDetails })
  @ApiCookieAuth()
  @ApiHeader({ name: 'X-Confirmation-Id', description: 'Confirmation of { phone }.' })
  async changePhone(
    @CurrentUser() user: User,
    @Body() body: PhoneBody,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<void> {
    await this.accounts.changePhone(user, body, proof);
  }
}

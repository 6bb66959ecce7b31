import { Body, Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import { Confirmation, ConfirmationProof, RequireConfirmation } from 'nestjs-two-factor';

import type { HttpRequest, HttpResponse } from '../http/http.js';
import { SessionBody, SignInBody } from './sign-in.dto.js';
import { SignInService } from './sign-in.service.js';

@ApiTags('sign-in')
@Controller('api/v1')
export class SignInController {
  constructor(private readonly signIns: SignInService) {}

  @Post('sign-in')
  @HttpCode(204)
  @ApiNoContentResponse({ description: 'Ask for a code with the purpose login now.' })
  async begin(
    @Body() body: SignInBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    await this.signIns.begin(body, request, response);
  }

  @Post('sessions')
  @HttpCode(204)
  @RequireConfirmation('login', { useIn: 'handler' })
  @ApiHeader({ name: 'X-Confirmation-Id', description: 'Confirmation with the purpose login.' })
  @ApiNoContentResponse({ description: 'Signed in: the answer sets the session cookie.' })
  async finish(
    @Body() { remember = false }: SessionBody,
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<void> {
    await this.signIns.finish(request, response, proof, remember);
  }
}

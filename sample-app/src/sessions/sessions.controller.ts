import {
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  ParseUUIDPipe,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { ApiCookieAuth, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';

import type { HttpRequest, HttpResponse } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import { CurrentSession } from './current.decorators.js';
import { Session } from './session.entity.js';
import { SessionGuard } from './session.guard.js';
import { SessionService } from './session.service.js';
import { EndedAnswer, SessionAnswer } from './sessions.dto.js';

/** A customer sees where the account is signed in, and ends what looks strange. */
@ApiTags('sessions')
@Controller('api/v1/sessions')
export class SessionsController {
  constructor(private readonly sessions: SessionService) {}

  @Get()
  @UseGuards(SessionGuard)
  @ApiCookieAuth()
  @ApiOkResponse({ type: [SessionAnswer] })
  async list(@CurrentSession() current: Session): Promise<SessionAnswer[]> {
    const sessions = await this.sessions.list(current.user);
    return sessions.map(({ id, device, createdAt, lastUsedAt }) => ({
      id,
      device,
      createdAt: new Date(createdAt).toISOString(),
      lastUsedAt: new Date(lastUsedAt).toISOString(),
      isCurrent: id === current.id,
    }));
  }

  /** Signs out. It works without a session too, so that a stale page can clear its cookie. */
  @Delete('current')
  @HttpCode(204)
  async signOut(
    @Req() request: HttpRequest,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<void> {
    await this.sessions.close(request, response);
  }

  /** A session that was begun later than this one stays. */
  @Delete('others')
  @UseGuards(SessionGuard)
  @ApiCookieAuth()
  @ApiOkResponse({ type: EndedAnswer })
  async endOthers(@CurrentSession() current: Session): Promise<EndedAnswer> {
    return { newer: await this.sessions.endOthers(current) };
  }

  @Delete(':id')
  @HttpCode(204)
  @UseGuards(SessionGuard)
  @ApiCookieAuth()
  @ApiNoContentResponse({ description: 'The session has ended.' })
  async end(
    @CurrentSession() current: Session,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<void> {
    if (!(await this.sessions.end(current, id))) {
      throw new Refusal(404, 'not-found', 'There is no such session.');
    }
  }
}

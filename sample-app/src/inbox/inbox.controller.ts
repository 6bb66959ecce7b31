import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Controller, Get, Header, StreamableFile } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';

import { InboxService, type InboxMessage } from './inbox.service.js';

const PAGE = fileURLToPath(new URL('../../development/inbox.html', import.meta.url));

@ApiExcludeController()
@Controller('inbox')
export class InboxController {
  constructor(private readonly inbox: InboxService) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  page(): StreamableFile {
    return new StreamableFile(createReadStream(PAGE));
  }

  @Get('messages')
  messages(): readonly InboxMessage[] {
    return this.inbox.list();
  }
}

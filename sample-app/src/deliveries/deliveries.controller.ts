import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

import {
  Body,
  Controller,
  Get,
  Header,
  HttpCode,
  Param,
  Put,
  StreamableFile,
} from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';

import { Refusal } from '../http/problem.js';
import { DeliveryLogService, type DeliveryList } from './delivery-log.service.js';

const PAGE = fileURLToPath(new URL('../../development/deliveries.html', import.meta.url));

export class GatewayBody {
  @IsBoolean()
  isFailing!: boolean;
}

@ApiExcludeController()
@Controller('deliveries')
export class DeliveriesController {
  constructor(private readonly log: DeliveryLogService) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  page(): StreamableFile {
    return new StreamableFile(createReadStream(PAGE));
  }

  @Get('list')
  list(): Promise<DeliveryList> {
    return this.log.list();
  }

  @Put('gateways/:name')
  @HttpCode(204)
  switch(@Param('name') name: string, @Body() { isFailing }: GatewayBody): void {
    if (!this.log.switch(name, isFailing)) {
      throw new Refusal(404, 'not-found', 'There is no such gateway.');
    }
  }
}

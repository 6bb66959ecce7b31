import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { CodeCountService } from './code-count.service.js';
import { CountedCode } from './counted-code.entity.js';
import { DeviceCookieService, DeviceService } from './device.service.js';
import { FirstStep } from './first-step.entity.js';
import { FirstStepService } from './first-step.service.js';
import { Session } from './session.entity.js';
import { SessionService } from './session.service.js';
import { SessionsController } from './sessions.controller.js';

const SERVICES = [
  SessionService,
  CodeCountService,
  FirstStepService,
  DeviceCookieService,
  DeviceService,
];

@Module({
  imports: [TypeOrmModule.forFeature([Session, FirstStep, CountedCode])],
  controllers: [SessionsController],
  providers: SERVICES,
  exports: SERVICES,
})
export class SessionsModule {}

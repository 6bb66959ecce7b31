import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { DeviceCookieService, DeviceService } from './device.service.js';
import { FirstStep } from './first-step.entity.js';
import { FirstStepService } from './first-step.service.js';
import { Session } from './session.entity.js';
import { SessionService } from './session.service.js';
import { SessionsController } from './sessions.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Session, FirstStep])],
  controllers: [SessionsController],
  providers: [SessionService, FirstStepService, DeviceCookieService, DeviceService],
  exports: [SessionService, FirstStepService, DeviceCookieService, DeviceService],
})
export class SessionsModule {}

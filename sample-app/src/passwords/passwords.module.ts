import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { FailureCount } from './failure-count.entity.js';
import { FailureLimitService } from './failure-limit.service.js';
import { PasswordHash } from './password-hash.js';
import { PasswordService } from './password.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([FailureCount])],
  providers: [PasswordHash, PasswordService, FailureLimitService],
  exports: [PasswordService, FailureLimitService],
})
export class PasswordsModule {}

import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { PasswordsModule } from '../passwords/passwords.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AccountsController } from './accounts.controller.js';
import { ChangesService } from './changes.service.js';
import { SignUpService } from './sign-up.service.js';
import { User } from './user.entity.js';

@Module({
  imports: [TypeOrmModule.forFeature([User]), SessionsModule, PasswordsModule],
  controllers: [AccountsController],
  providers: [SignUpService, ChangesService],
})
export class AccountsModule {}

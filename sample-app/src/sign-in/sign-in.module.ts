import { Module } from '@nestjs/common';

import { PasswordsModule } from '../passwords/passwords.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SignInController } from './sign-in.controller.js';
import { SignInService } from './sign-in.service.js';

@Module({
  imports: [PasswordsModule, SessionsModule],
  controllers: [SignInController],
  providers: [SignInService],
})
export class SignInModule {}

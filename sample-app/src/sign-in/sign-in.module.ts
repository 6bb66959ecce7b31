import { Module, type DynamicModule } from '@nestjs/common';

import { PasswordsModule } from '../passwords/passwords.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { SignInController } from './sign-in.controller.js';
import { SignInService } from './sign-in.service.js';

@Module({})
export class SignInModule {
  /** @param notices the module that tells customers of changes. */
  static register(notices: DynamicModule): DynamicModule {
    return {
      module: SignInModule,
      imports: [PasswordsModule, SessionsModule, notices],
      controllers: [SignInController],
      providers: [SignInService],
    };
  }
}

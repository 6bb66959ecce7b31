import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { PasswordsModule } from '../passwords/passwords.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AccountsController } from './accounts.controller.js';
import { ChangesService } from './changes.service.js';
import { SignUpService } from './sign-up.service.js';
import { User } from './user.entity.js';

@Module({})
export class AccountsModule {
  /** @param notices the module that tells customers of changes. */
  static register(notices: DynamicModule): DynamicModule {
    return {
      module: AccountsModule,
      imports: [TypeOrmModule.forFeature([User]), SessionsModule, PasswordsModule, notices],
      controllers: [AccountsController],
      providers: [SignUpService, ChangesService],
    };
  }
}

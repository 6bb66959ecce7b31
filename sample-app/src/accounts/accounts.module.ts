import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';

import { NoticesModule } from '../notices/notices.module.js';
import { PasswordsModule } from '../passwords/passwords.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AccountsController } from './accounts.controller.js';
import { ChangesService } from './changes.service.js';
import { SignUpService } from './sign-up.service.js';
import { User } from './user.entity.js';

@Module({})
export class AccountsModule {
  /** @param mail the module that has the mail transport. */
  static register(mail: DynamicModule): DynamicModule {
    return {
      module: AccountsModule,
      imports: [
        TypeOrmModule.forFeature([User]),
        SessionsModule,
        PasswordsModule,
        NoticesModule.register(mail),
      ],
      controllers: [AccountsController],
      providers: [SignUpService, ChangesService],
    };
  }
}

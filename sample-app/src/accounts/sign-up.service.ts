import { randomUUID } from 'node:crypto';

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { ConfirmerService, TwoFactorConfirmationRequiredError } from 'nestjs-two-factor';
import { DataSource, QueryFailedError } from 'typeorm';

import { clientAddress } from '../http/client-address.js';
import type { HttpRequest } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import { PasswordService } from '../passwords/password.service.js';
import type { SignUpBody } from './accounts.dto.js';
import { User } from './user.entity.js';

/** What the bank gives to every new customer: 1,000.00. */
const WELCOME_CENTS = 100_000;

@Injectable()
export class SignUpService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
    private readonly passwords: PasswordService,
  ) {}

  /**
   * Opens an account for a proved e-mail address. Until the address is proved, nothing is stored, the client
   * learns nothing about the address, and no password is computed.
   */
  async signUp(body: SignUpBody, request: HttpRequest): Promise<void> {
    const { email, password, confirmationId } = body;
    const [state, isUsable] = await this.confirmer.check(confirmationId, { purpose: 'sign-up' });
    // `state.token` is one spelling of many. No code goes to an address beyond ASCII (messages.ts), which that could change.
    if (!isUsable || state.kind !== 'email' || state.token !== email) {
      throw new TwoFactorConfirmationRequiredError('This address is not proved.');
    }
    // Outside the transaction: SQLite has one connection, and all requests would wait for this one.
    const client = { kind: 'stranger', address: clientAddress(request) } as const;
    const passwordHash = await this.passwords.enqueue(client, (hash) => hash.make(password));
    try {
      await this.dataSource.transaction(async (manager) => {
        if (!(await this.confirmer.use(confirmationId, { purpose: 'sign-up', manager }))) {
          throw new TwoFactorConfirmationRequiredError('Another call has used the proof.');
        }
        await manager.insert(User, {
          id: randomUUID(),
          email,
          phone: null,
          passwordHash,
          balanceCents: WELCOME_CENTS,
        });
      });
    } catch (error) {
      const isTaken = error instanceof QueryFailedError && (await this.#exists(email));
      if (!isTaken) throw error;
      throw new Refusal(
        409,
        'account-exists',
        'There is an account with this e-mail address. Sign in.',
      );
    }
  }

  #exists(email: string): Promise<boolean> {
    return this.dataSource.manager.existsBy(User, { email });
  }
}

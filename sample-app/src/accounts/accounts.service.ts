import { randomUUID } from 'node:crypto';

import {
  BadRequestException,
  ConflictException,
  Injectable,
  UnauthorizedException,
} from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import {
  ConfirmerService,
  TwoFactorConfirmationRequiredError,
  TwoFactorService,
  type ConfirmationProof,
  type TwoFactorRequest,
} from 'nestjs-two-factor';
import { DataSource, QueryFailedError } from 'typeorm';

import { SessionService } from '../sessions/session.service.js';
import type { PhoneBody, SessionBody, SignInBody, SignUpBody } from './accounts.dto.js';
import { hashPassword, isPasswordOf } from './password.js';
import { User } from './user.entity.js';

/** What the bank gives everybody who joins: 1,000.00. */
const WELCOME_CENTS = 100_000;

@Injectable()
export class AccountsService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
    private readonly twoFactor: TwoFactorService,
    private readonly sessions: SessionService,
  ) {}

  /** Opens an account for a proved e-mail address. Until then nothing is kept, and nothing told about the address. */
  async signUp({ email, password, confirmationId }: SignUpBody): Promise<void> {
    const [state, isUsable] = await this.confirmer.check(confirmationId, { purpose: 'sign-up' });
    if (!isUsable || state.way !== 'email' || state.token?.toLowerCase() !== email) {
      throw new TwoFactorConfirmationRequiredError('This address is not proved.');
    }
    // Outside of the transaction: on SQLite everybody waits for its end.
    const passwordHash = await hashPassword(password);
    try {
      await this.dataSource.transaction(async (manager) => {
        if (!(await this.confirmer.use(confirmationId, { purpose: 'sign-up', manager }))) {
          throw new TwoFactorConfirmationRequiredError('The proof was spent by another call.');
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
      if (error instanceof QueryFailedError && (await this.#find(email))) {
        throw new ConflictException('There is an account with this e-mail address. Sign in.');
      }
      throw error;
    }
  }

  /** Checks the password, then sends a code that is worth something for this user only. */
  async requestSignIn({ email, password, way = 'email' }: SignInBody): Promise<TwoFactorRequest> {
    const user = await this.#find(email);
    const isRight = await isPasswordOf(user?.passwordHash, password);
    if (user === null || !isRight) throw new UnauthorizedException('Wrong e-mail or password.');
    // The account's own address, never what was typed: databases differ in what they take for equal.
    const token = way === 'sms' ? user.phone : user.email;
    if (token === null) {
      throw new BadRequestException('There is no phone number yet. Choose the code by e-mail.');
    }
    return this.twoFactor.request({ purpose: 'login', subject: user.id, token, way });
  }

  /** Spends the proof of a sign-in, in the same transaction that begins the session. @returns its token. */
  async signIn({ email, confirmationId }: SessionBody): Promise<string> {
    const user = await this.#find(email);
    return this.dataSource.transaction(async (manager) => {
      const isProved =
        user !== null &&
        (await this.confirmer.use(confirmationId, {
          purpose: 'login',
          subject: user.id,
          manager,
        }));
      if (!isProved) throw new TwoFactorConfirmationRequiredError('There is no proof that fits.');
      return this.sessions.open(user, manager);
    });
  }

  /** The proof says that this user holds this number; the password, that it is no stolen session. */
  async changePhone(user: User, body: PhoneBody, proof: ConfirmationProof): Promise<void> {
    if (!(await isPasswordOf(user.passwordHash, body.password))) {
      throw new UnauthorizedException('Wrong password.');
    }
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      await manager.update(User, { id: user.id }, { phone: body.phone });
    });
  }

  #find(email: string): Promise<User | null> {
    return this.dataSource.manager.findOneBy(User, { email });
  }
}

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import {
  ConfirmerService,
  FactorService,
  TwoFactorConfirmationRequiredError,
  type ConfirmationProof,
} from 'nestjs-two-factor';
import { DataSource, IsNull, type EntityManager } from 'typeorm';

import type { HttpRequest } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import type { Change } from '../notices/change-notice.js';
import { NoticeService } from '../notices/notice.service.js';
import { FailureLimitService, type FailureLimit } from '../passwords/failure-limit.service.js';
import { PasswordService } from '../passwords/password.service.js';
import { SessionService } from '../sessions/session.service.js';
import type { PasswordBody, PhoneBody } from './accounts.dto.js';
import { holdUser } from './hold-user.js';
import { User } from './user.entity.js';

/**
 * Wrong passwords of a signed-in customer, for all routes and all proofs together: a thief with a session and a proof gets
 * no more guesses by asking for another proof.
 */
const limitsFor = ({ id }: User): readonly FailureLimit[] => [
  { party: `customer ${id}`, max: 5, perSeconds: 15 * 60 },
  { party: `customer ${id}`, max: 20, perSeconds: 24 * 3_600 },
];

/**
 * Changes the ways into an account. A session alone is never enough, because a session can be stolen: each change needs a
 * code that went to a contact registered before, and the password. Then all sessions end, and the owner gets a mail.
 */
@Injectable()
export class ChangesService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
    private readonly passwords: PasswordService,
    private readonly failures: FailureLimitService,
    private readonly sessions: SessionService,
    private readonly notices: NoticeService,
    private readonly factors: FactorService,
  ) {}

  /**
   * `proof` says that the owner agrees; the second proof says that the owner holds the new number.
   *
   * @returns the token of the session that replaces all others.
   */
  async changePhone(
    user: User,
    { phone, password, phoneConfirmationId }: PhoneBody,
    proof: ConfirmationProof,
    request: HttpRequest,
  ): Promise<string> {
    if (phone === user.phone) {
      throw new Refusal(422, 'same-phone', 'That is your phone number already.');
    }
    const binding = { purpose: 'new-phone', subject: user.id };
    const [state, isUsable] = await this.confirmer.check(phoneConfirmationId, binding);
    if (!isUsable || state.kind !== 'phone' || state.token !== phone) {
      throw new TwoFactorConfirmationRequiredError('The new number is not proved.');
    }
    await this.#checkPassword(user, password);
    return this.#change(
      user,
      request,
      { what: 'phone', from: user.phone, to: phone },
      async (manager) => {
        await proof.use({ manager });
        if (!(await this.confirmer.use(phoneConfirmationId, { ...binding, manager }))) {
          throw new TwoFactorConfirmationRequiredError('Another call has used the proof.');
        }
        const { affected } = await manager.update(
          User,
          { id: user.id, phone: user.phone ?? IsNull() },
          { phone },
        );
        if (affected !== 1) throw changedMeanwhile();
      },
    );
  }

  /** @returns the token of the session that replaces all others. */
  async changePassword(
    user: User,
    { password, newPassword }: PasswordBody,
    proof: ConfirmationProof,
    request: HttpRequest,
  ): Promise<string> {
    await this.#checkPassword(user, password);
    const passwordHash = await this.passwords.enqueue({ kind: 'customer', id: user.id }, (hash) =>
      hash.make(newPassword),
    );
    return this.#change(user, request, { what: 'password' }, async (manager) => {
      await proof.use({ manager });
      await manager.update(User, { id: user.id }, { passwordHash });
    });
  }

  async #checkPassword(user: User, password: string): Promise<void> {
    const isRight = await this.passwords.enqueue({ kind: 'customer', id: user.id }, (hash) =>
      this.failures.guard(limitsFor(user), () => hash.matches(user.passwordHash, password)),
    );
    if (!isRight) throw new Refusal(401, 'wrong-password', 'Wrong password.');
  }

  /** Change, notices and the end of all sessions happen together or not at all. */
  async #change(
    user: User,
    request: HttpRequest,
    change: Change,
    work: (manager: EntityManager) => Promise<void>,
  ): Promise<string> {
    const token = await this.dataSource.transaction(async (manager) => {
      // Only if it is still the password that was checked. A thief who knows the former one may have waited for the computation while
      // the owner changed the password, and must not overtake that.
      if (!(await holdUser(user, manager))) throw changedMeanwhile();
      await work(manager);
      // The browser of a thief may be among the remembered ones.
      await this.factors.forgetDevices({ subject: user.id, manager });
      await this.notices.add(user, change, manager);
      return this.sessions.renew(user, request, manager);
    });
    this.notices.sendSoon();
    return token;
  }
}

function changedMeanwhile(): Refusal {
  return new Refusal(
    409,
    'changed-meanwhile',
    'Your account was changed meanwhile. Please look again.',
  );
}

import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { TwoFactorConfirmationRequiredError, type ConfirmationProof } from 'nestjs-two-factor';
import { DataSource } from 'typeorm';

import { holdUser } from '../accounts/hold-user.js';
import { requireCurrentContact } from '../accounts/require-current-contact.js';
import { User } from '../accounts/user.entity.js';
import { clientAddress } from '../http/client-address.js';
import type { HttpRequest, HttpResponse } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import { NoticeService } from '../notices/notice.service.js';
import { FailureLimitService, type FailureLimit } from '../passwords/failure-limit.service.js';
import { PasswordService } from '../passwords/password.service.js';
import { DeviceService } from '../sessions/device.service.js';
import { SessionService } from '../sessions/session.service.js';
import { FirstStepService } from '../sessions/first-step.service.js';
import type { SignInBody } from './sign-in.dto.js';

/**
 * Wrong passwords at the sign-in. The account's are counted for addresses without an account too, so that a refusal does not
 * tell which accounts exist, and apart from the wrong passwords of a signed-in customer: a stranger who guesses here delays
 * new sign-ins to that account and nothing else.
 */
const limitsFor = (email: string, address: string): readonly FailureLimit[] => [
  { party: `address ${address}`, max: 30, perSeconds: 15 * 60 },
  { party: `account ${email}`, max: 10, perSeconds: 15 * 60 },
  { party: `account ${email}`, max: 50, perSeconds: 24 * 3_600 },
];

@Injectable()
export class SignInService {
  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    private readonly passwords: PasswordService,
    private readonly failures: FailureLimitService,
    private readonly firstSteps: FirstStepService,
    private readonly sessions: SessionService,
    private readonly devices: DeviceService,
    private readonly notices: NoticeService,
  ) {}

  /** The first step: the password. It allows this browser to ask for a code, and nothing else. */
  async begin(body: SignInBody, request: HttpRequest, response: HttpResponse): Promise<void> {
    const { email, password } = body;
    let user: User | null = null;
    const address = clientAddress(request);
    // All of it in turn: a request that the queue refuses costs no statement and writes no row.
    const isRight = await this.passwords.enqueue({ kind: 'stranger', address }, (hash) =>
      this.failures.guard(limitsFor(email, address), async () => {
        user = await this.dataSource.manager.findOneBy(User, { email });
        return hash.matches(user?.passwordHash, password);
      }),
    );
    if (user === null || !isRight) {
      throw wrongPassword();
    }
    const { id, passwordHash } = user as User;
    const token = await this.dataSource.transaction(async (manager) => {
      // The owner may have changed the password while it was compared.
      if (!(await holdUser({ id, passwordHash }, manager))) throw wrongPassword();
      return this.firstSteps.begin(id, request, manager);
    });
    this.firstSteps.setCookie(response, token);
  }

  /**
   * The second step: the proof is used in the transaction that ends the first step and begins the session.
   *
   * @param remember whether the next sign-ins from this browser need no code. The owner of the account gets a mail about it.
   */
  async finish(
    request: HttpRequest,
    response: HttpResponse,
    proof: ConfirmationProof,
    remember: boolean,
  ): Promise<void> {
    const user = await this.firstSteps.userOf(request);
    const { token, device } = await this.dataSource.transaction(async (manager) => {
      const isCurrent = user !== null && (await holdUser(user, manager));
      await proof.use({ manager });
      if (!isCurrent || !(await this.firstSteps.finish(request, manager))) {
        throw new TwoFactorConfirmationRequiredError('The sign-in has ended. Begin again.');
      }
      await requireCurrentContact(proof, user, manager);
      const remembered = remember ? await this.devices.remember(proof.id, request, manager) : null;
      if (remembered !== null) {
        const changes = ['A browser that signs in without a code was remembered'];
        await this.notices.add(user, { what: 'factors', changes }, manager);
      }
      return { token: await this.sessions.open(user, request, manager), device: remembered };
    });
    this.firstSteps.clearCookie(response);
    this.sessions.setCookie(response, token);
    if (device === null) return;
    this.devices.setCookie(response, device);
    this.notices.sendSoon();
  }
}

function wrongPassword(): Refusal {
  return new Refusal(401, 'wrong-password', 'Wrong e-mail or password.');
}

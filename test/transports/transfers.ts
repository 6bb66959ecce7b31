import { Injectable, type ExecutionContext } from '@nestjs/common';
import { DataSource } from 'typeorm';

import {
  ConfirmerService,
  TwoFactorCodeMismatchError,
  TwoFactorConfigurationError,
  TwoFactorSendError,
  TwoFactorService,
  type ConfirmationProof,
  type JsonValue,
  type PurposeDefinition,
} from '../../lib/index.js';
import { Barrier } from '../support/barrier.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';

/** What a call brings, over any transport. */
export interface TransferCall {
  readonly proof?: unknown;
  readonly code?: string;
  readonly amount?: string;
  readonly payee?: string;
  /** Lets the handler throw after it has spent the proof in its transaction. */
  readonly fails?: boolean;
}

/** What every transport offers. Those below `request` and `confirm` want a proof, except the last. */
export type RouteName =
  | 'request'
  | 'confirm'
  | 'guarded'
  | 'transactional'
  | 'forgetful'
  | 'naive'
  | 'ordered'
  | 'orderedByClass'
  | 'deleting'
  | 'broken'
  /** Routes of bare classes, and one of gRPC that answers a stream. */
  | 'faulty'
  | 'watched'
  /** Two gateways alone have it. */
  | 'twin';

/** What Ann transfers. */
export const TEN = { amount: '10.00', payee: 'bob@bank.example' };

/** A proof of Ann's for that, or for something else. */
export async function prove(
  confirmer: ConfirmerService,
  binding: { purpose?: string; subject?: string; details?: JsonValue } = {},
): Promise<string> {
  const { id } = await confirmer.makeConfirmation({
    purpose: 'transfer',
    subject: 'ann',
    details: TEN,
    ...binding,
    isConfirmed: true,
  });
  return id;
}

/** A text in the cause of an error, which no client may see. */
export const INNER_SECRET = 'smtp://user:INNERSECRET@mail.internal';

export function purposesFor(
  user: (context: ExecutionContext) => string | undefined,
): Record<string, PurposeDefinition> {
  const resolved = { subject: user, recipient: () => 'ann@example.com' };
  // A sent code is enough for a person without an app, and for no other.
  const methods: PurposeDefinition['methods'] = (_, enrolled) =>
    enrolled.includes('totp') ? ['totp'] : ['code'];
  return { transfer: resolved, 'delete-account': { ...resolved, methods } };
}

/** The application behind the transports: it pays, and counts what it has paid in the database of the confirmations. */
@Injectable()
export class Bank {
  /** Handlers that ran to their end. */
  ended = 0;
  readonly #meeting = new Barrier(2);

  constructor(
    private readonly twoFactor: TwoFactorService,
    private readonly confirmer: ConfirmerService,
    private readonly dataSource: DataSource,
  ) {}

  async open(): Promise<void> {
    await this.dataSource.query('CREATE TABLE payment (confirmation varchar(64) NOT NULL)');
  }

  async payments(): Promise<number> {
    return (await this.dataSource.query<unknown[]>('SELECT * FROM payment')).length;
  }

  async request({ amount = '', payee = '' }: TransferCall): Promise<string> {
    const { id } = await this.twoFactor.request({
      token: 'ann@example.com',
      purpose: 'transfer',
      subject: 'ann',
      details: { amount, payee },
    });
    return id;
  }

  async confirm(id: string, code: string): Promise<string> {
    const [state, isConfirmed] = await this.confirmer.confirm(id, code);
    if (!isConfirmed) throw new TwoFactorCodeMismatchError(state?.attemptsLeft ?? 0);
    return 'confirmed';
  }

  /** As `done`, when another handler runs beside it: the naive guard has let both in by then. */
  async doneTogether(): Promise<string> {
    await this.#meeting.enter();
    return this.done();
  }

  done(): string {
    this.ended += 1;
    return 'paid';
  }

  async pay(proof: ConfirmationProof, { fails }: TransferCall): Promise<string> {
    await this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      await manager.query(`INSERT INTO payment VALUES ('${proof.id}')`);
      if (fails) throw new Error('There is no money.');
    });
    return this.done();
  }

  /** Two errors that know what clients must not. */
  fail(which: unknown): never {
    if (which === 'send') {
      const cause = new Error(INNER_SECRET);
      throw new TwoFactorSendError('Not sent.', UNKNOWN_ID, new Date('2001-01-01'), { cause });
    }
    throw new TwoFactorConfigurationError(`SmsBackend wants ${INNER_SECRET}.`);
  }
}

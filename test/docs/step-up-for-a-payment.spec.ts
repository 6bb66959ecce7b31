// The comparison of "Good to know": guide-series.spec.ts builds and uses everything else of the page.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { Body, Controller, HttpException, Inject, Post } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { IsString, MaxLength } from 'class-validator';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Confirmation, ConfirmationProof, RequireConfirmation } from '../../lib/index.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

const [FORMER, CURRENT] = ['+14155550123', '+14155550124'];
const user = { id: 'ann' };

class Refusal extends HttpException {
  constructor(status: number, error: string, title: string) {
    super({ error, title }, status);
  }
}

@Entity('bank_user')
class User {
  @PrimaryColumn({ type: 'varchar', length: 36 })
  id!: string;

  @Column({ type: 'varchar', length: 16 })
  phone!: string;
}

class PaymentDetails {
  @IsString()
  @MaxLength(40)
  payee!: string;
}

@Controller()
class PaymentsController {
  constructor(@Inject(DataSource) private readonly dataSource: DataSource) {}

  @Post('payments')
  @RequireConfirmation('payment', { useIn: 'handler' })
  pay(
    @Body() { payee }: PaymentDetails,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<{ paid: string }> {
    return this.dataSource.transaction(async (manager) => {
      const { phone } = await manager.findOneByOrFail(User, { id: user.id });
      if (proof.state.confirmedBy === 'code' && proof.state.token !== phone) {
        throw new Refusal(
          403,
          'number-changed',
          'Your number was changed. Please ask for a new code.',
        );
      }
      await proof.use({ manager });
      return { paid: payee };
    });
  }

  @Post('payments-without-the-comparison')
  @RequireConfirmation('payment', { useIn: 'handler' })
  payWithoutComparison(
    @Body() { payee }: PaymentDetails,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<{ paid: string }> {
    return this.dataSource.transaction(async (manager) => {
      await proof.use({ manager });
      return { paid: payee };
    });
  }
}

let test: HttpTestApp;
let phone: string;

beforeEach(async () => {
  phone = FORMER;
  test = await startHttpApp({
    options: {
      controller: true,
      purposes: {
        payment: { subject: () => user.id, recipient: () => phone, details: PaymentDetails },
      },
    },
    controllers: [PaymentsController],
    imports: [TypeOrmModule.forFeature([User])],
  });
  await test.dataSource.synchronize();
  await test.dataSource.manager.insert(User, { ...user, phone });
});
afterEach(() => test?.close());

async function confirmed(): Promise<string> {
  const details = { payee: 'Bob' };
  const { id, code } = await test.request({ purpose: 'payment', details });
  expect(await test.post('/2factor/confirm', { id, code })).toMatchObject({ status: 200 });
  return id;
}

async function changeNumber(): Promise<void> {
  phone = CURRENT;
  await test.dataSource.manager.update(User, { id: user.id }, { phone });
}

const pay = (path: string, id: string): Promise<Answer> =>
  test.post(path, { payee: 'Bob' }, { 'x-confirmation-id': id });

describe('Step-up for a payment', () => {
  it('refuses a code that went to the former number, and takes one that went to the new number', async () => {
    const former = await confirmed();
    await changeNumber();
    const answer = await pay('/payments', former);
    expect(answer).toMatchObject({ status: 403, body: { error: 'number-changed' } });

    const current = await confirmed();
    expect(await pay('/payments', current)).toMatchObject({ status: 201, body: { paid: 'Bob' } });
  });

  it('takes a code that went to the former number when nothing compares the numbers, which is the naive twin', async () => {
    const former = await confirmed();
    await changeNumber();
    const answer = await pay('/payments-without-the-comparison', former);
    expect(answer).toMatchObject({ status: 201, body: { paid: 'Bob' } });
  });

  it('shows in its guide the lines that this spec runs', async () => {
    const guide = new URL('../../docs/guides/step-up-for-a-payment.md', import.meta.url);
    const [, block = ''] = /^  ```ts\n([\s\S]*?)^  ```$/m.exec(await readFile(guide, 'utf8')) ?? [];
    const own = await readFile(fileURLToPath(import.meta.url), 'utf8');
    const unbroken = (text: string): string => text.replaceAll(/,?\s+(?=\))|\s+/g, '');
    expect(block).toContain('proof.state.token');
    expect(unbroken(own)).toContain(unbroken(block));
  });
});

// What a repeated call with the same proof is answered, for the rows of the table that tell a page to keep or to forget the proof.
import {
  Controller,
  Post,
  UnprocessableEntityException,
  type ExecutionContext,
} from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Confirmation, RequireConfirmation, type ConfirmationProof } from '../../lib/index.js';
import { header } from '../e2e/controller-fixtures.js';
import { startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

let paid: string[];
let hasMoney: boolean;
let test: HttpTestApp;

@Controller('payments')
class PaymentsController {
  @Post('by-user')
  @RequireConfirmation('by-user', { useIn: 'handler' })
  byUser(@Confirmation() proof: ConfirmationProof): Promise<string> {
    return this.#pay(proof);
  }

  @Post('by-session')
  @RequireConfirmation('by-session', { useIn: 'handler' })
  bySession(@Confirmation() proof: ConfirmationProof): Promise<string> {
    return this.#pay(proof);
  }

  async #pay(proof: ConfirmationProof): Promise<string> {
    if (!hasMoney) throw new UnprocessableEntityException();
    await proof.use();
    paid.push(proof.id);
    return 'paid';
  }
}

/** A session is `user.number`, so that a new sign-in of the same user has another number. */
const sessionOf = (context: ExecutionContext): string | undefined => header(context, 'session');
const recipient = () => 'ann@example.com';

beforeEach(async () => {
  [paid, hasMoney] = [[], true];
  test = await startHttpApp({
    options: {
      controller: true,
      purposes: {
        'by-user': { subject: (context) => sessionOf(context)?.split('.')[0], recipient },
        'by-session': { subject: sessionOf, recipient },
      },
    },
    controllers: [PaymentsController],
  });
});
afterEach(() => test?.close());

type Purpose = 'by-session' | 'by-user';

async function proofFor(purpose: Purpose): Promise<string> {
  const session = { session: 'ann.1' };
  const { id, code } = await test.request({ purpose }, session);
  const confirmed = await test.post('/2factor/confirm', { id, code }, session);
  expect(confirmed).toMatchObject({ status: 200 });
  return id;
}

const pay = (purpose: Purpose, id: string, session?: string): Promise<Answer> =>
  test.post(`/payments/${purpose}`, {}, { 'x-confirmation-id': id, ...(session && { session }) });

describe('When the answer is lost', () => {
  it('a repeat of a used proof is 409 also after its time is over, and pays nothing', async () => {
    const id = await proofFor('by-user');
    await pay('by-user', id, 'ann.1');
    const used = { status: 409, body: { error: 'confirmation-used' } };
    expect(await pay('by-user', id, 'ann.1')).toMatchObject(used);
    test.clock.advance(3_600);
    expect(await pay('by-user', id, 'ann.1')).toMatchObject(used);
    expect(paid).toEqual([id]);
  });

  it('a call without a sign-in is refused before its proof is looked at, which pays after the sign-in', async () => {
    const id = await proofFor('by-user');
    const refused = await pay('by-user', id);
    expect(refused).toMatchObject({ status: 403, body: { error: 'no-subject' } });
    expect(await pay('by-user', id, 'ann.2')).toMatchObject({ status: 201 });
  });

  it('a refusal of the handler leaves the proof unused', async () => {
    const id = await proofFor('by-user');
    hasMoney = false;
    expect(await pay('by-user', id, 'ann.1')).toMatchObject({ status: 422 });
    hasMoney = true;
    expect(await pay('by-user', id, 'ann.1')).toMatchObject({ status: 201 });
  });

  it('a proof of a session fits no session of a new sign-in, whether or not it has paid before', async () => {
    const refused = { status: 403, body: { error: 'confirmation-required' } };
    const unused = await proofFor('by-session');
    expect(await pay('by-session', unused, 'ann.2')).toMatchObject(refused);
    const used = await proofFor('by-session');
    await pay('by-session', used, 'ann.1');
    expect(await pay('by-session', used, 'ann.2')).toMatchObject(refused);
    expect(paid).toEqual([used]);
  });
});

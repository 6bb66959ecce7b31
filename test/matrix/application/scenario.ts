import 'reflect-metadata';

import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';

import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ConfirmerService,
  SenderService,
  TwoFactorConfigurationError,
  TwoFactorInputError,
} from 'nestjs-two-factor';
import { phoneNormalizer } from 'nestjs-two-factor/phone';

import { AppModule } from './app.module.js';
import { methodsScenario } from './methods.js';
import { TestInbox } from './test-inbox.backend.js';

/** What the package is for, from end to end. */
export async function scenario(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  try {
    await app.listen(0, '127.0.0.1');
    await byServices(app);
    await byHttp(app);
  } finally {
    await app.close();
  }
  await methodsScenario();
}

async function byServices(app: INestApplication): Promise<void> {
  const confirmer = app.get(ConfirmerService);
  const inbox = app.get(TestInbox);

  const made = await confirmer.makeConfirmation({ meta: { any: 'json' } });
  await app.get(SenderService).send('default', 'ann@example.com', made);
  assert.equal(inbox.sent.at(-1)?.token, 'ann@example.com');

  const [afterWrong, wrong] = await confirmer.confirm(made.id, wrongCode(inbox));
  assert.equal(wrong, false);
  assert.equal(afterWrong?.attemptsLeft, 4);
  const [afterRight, right] = await confirmer.confirm(made.id, inbox.lastCode);
  assert.equal(right, true);
  assert.equal(afterRight?.status, 'confirmed');
  assert.equal(await confirmer.use(made), true);
  assert.equal(await confirmer.use(made), false);

  // Classes of two entries are of one copy.
  await assert.rejects(confirmer.confirm('no id', '123456'), TwoFactorInputError);
  assert.throws(
    () => phoneNormalizer({ defaultCountry: 'XX' as unknown as 'US' }),
    TwoFactorConfigurationError,
  );
}

async function byHttp(app: INestApplication): Promise<void> {
  const inbox = app.get(TestInbox);
  const { port } = app.getHttpServer().address() as AddressInfo;
  const post = async (path: string, body: object, proof?: string): Promise<[number, Answer]> => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(proof === undefined ? {} : { 'x-confirmation-id': proof }),
      },
      body: JSON.stringify(body),
    });
    return [response.status, (await response.json()) as Answer];
  };

  const [asked, { id = '' }] = await post('2factor/request-confirmation', { purpose: 'transfer' });
  assert.equal(asked, 200);
  const [refused, problem] = await post('2factor/confirm', { id, code: wrongCode(inbox) });
  assert.equal(refused, 422);
  assert.equal(problem.error, 'code-mismatch');

  assert.equal((await post('transfers', {}))[0], 403);
  assert.equal((await post('transfers', {}, id))[0], 403);
  const [confirmed, answer] = await post('2factor/confirm', { id, code: inbox.lastCode });
  assert.equal(confirmed, 200);
  assert.equal(answer.confirmed, true);
  const [transferred, { done }] = await post('transfers', {}, id);
  assert.equal(transferred, 201);
  assert.equal(done, true);
  assert.equal((await post('transfers', {}, id))[0], 409);
}

interface Answer {
  readonly id?: string;
  readonly error?: string;
  readonly confirmed?: boolean;
  readonly done?: boolean;
}

function wrongCode({ lastCode }: TestInbox): string {
  return lastCode === '000000' ? '000001' : '000000';
}

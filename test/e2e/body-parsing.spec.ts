// Applications that parse bodies by other means than Nest's default parser.
import {
  Body,
  Controller,
  HttpCode,
  Logger,
  Post,
  UseFilters,
  type INestApplication,
} from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
import { json, raw, text } from 'express';
import { afterEach, describe, expect, it, vi } from 'vitest';

import {
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type PurposeDefinition,
} from '../../lib/index.js';
import {
  adapters,
  startHttpApp,
  type HttpTestApp,
  type HttpTestAppInput,
} from '../support/http.js';
import { subjectOf } from './guarded-routes.js';

const NO_PARSER = { bodyParser: false } as const;
const JSON_HEADER = { 'content-type': 'application/json' };

class TransferDetails {
  @IsString()
  @MaxLength(12)
  amount!: string;
}

const purposes: Record<string, PurposeDefinition> = {
  '': { open: true },
  transfer: {
    subject: subjectOf,
    recipient: () => 'ann@example.com',
    details: TransferDetails,
  },
};

@Controller('transfers')
@UseFilters(TwoFactorExceptionFilter)
class TransferController {
  @Post()
  @HttpCode(200)
  @RequireConfirmation('transfer')
  transfer(@Body() body: TransferDetails): TransferDetails {
    return body;
  }
}

let app: HttpTestApp | undefined;

afterEach(async () => {
  vi.restoreAllMocks();
  await app?.close();
  app = undefined;
});

async function start(input: HttpTestAppInput): Promise<HttpTestApp> {
  app = await startHttpApp({
    options: { controller: true, purposes },
    controllers: [TransferController],
    ...input,
  });
  return app;
}

async function confirmed(running: HttpTestApp): Promise<unknown> {
  const { inbox } = running;
  const { id } = await running.request({ token: 'ünn@example.com' });
  expect(inbox.deliveries.at(-1)?.token).toBe('ünn@example.com');
  const answer = await running.post('/2factor/confirm', { id, code: inbox.lastCode });
  return { ...(answer.body as object), id: id.length };
}

const CONFIRMED = { id: 36, confirmed: true };

describe.each(adapters)('The controller under bodyParser: false on $name', ({ create }) => {
  it('reads the body itself when no parser has', async () => {
    expect(
      await confirmed(await start({ adapter: create(), appOptions: NO_PARSER })),
    ).toStrictEqual(CONFIRMED);
  });

  it.each([
    ['no JSON', '{"token":', 'The body is not JSON.'],
    ['a list', '[]', undefined],
    ['nothing', '', undefined],
    ['too long', JSON.stringify({ token: 'x'.repeat(200_000) }), undefined],
  ])('refuses a body that is %s, and serves the next request', async (_, body, message) => {
    const running = await start({ adapter: create(), appOptions: NO_PARSER });
    const debug = vi.spyOn(Logger.prototype, 'debug');
    const answer = await running.call('/2factor/confirm', {
      method: 'POST',
      headers: JSON_HEADER,
      body,
    });
    // Fastify parses JSON by itself, and refuses in its own form what is none.
    expect(answer.status).toBe(400);
    if (message !== undefined && create().getType() === 'express') {
      expect(answer).toBeProblem(400, 'invalid-request');
      expect(debug).toHaveBeenCalledWith(expect.stringContaining(message));
    }
    expect(await confirmed(running)).toStrictEqual(CONFIRMED);
  });
});

describe('The controller behind a parser of the application', () => {
  it.each([
    ['a JSON parser', json()],
    ['a parser that keeps texts', text({ type: '*/*' })],
    ['a parser that keeps bytes', raw({ type: '*/*' })],
  ])('confirms under %s', async (_, parser) => {
    const configure = (each: INestApplication): void => void each.use(parser);
    expect(await confirmed(await start({ appOptions: NO_PARSER, configure }))).toStrictEqual(
      CONFIRMED,
    );
  });

  it('confirms with rawBody: true', async () => {
    expect(await confirmed(await start({ appOptions: { rawBody: true } }))).toStrictEqual(
      CONFIRMED,
    );
  });
});

describe('A guarded route whose details are in the body', () => {
  it('answers 500, with the remedy in the log, when no parser has read the body', async () => {
    const running = await start({ appOptions: NO_PARSER });
    const { id } = await running.confirmer.makeConfirmation({
      purpose: 'transfer',
      subject: 'ann',
      details: { amount: '10' },
      isConfirmed: true,
    });
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const headers = { 'x-user': 'ann', 'x-confirmation-id': id };
    const answer = await running.post('/transfers', { amount: '10' }, headers);
    expect(answer).toMatchObject({ status: 500, body: { error: 'invalid-configuration' } });
    expect(error).toHaveBeenCalledWith(
      expect.stringContaining(
        'leave bodyParser: false out of NestFactory.create, or let a parser such as express.json() run',
      ),
    );
    expect(await running.confirmer.check(id)).toMatchObject([{}, true]);
  });

  it('answers 400 when the body is no JSON', async () => {
    const running = await start({});
    const answer = await running.call('/transfers', {
      method: 'POST',
      headers: {
        'content-type': 'text/plain',
        'x-user': 'ann',
        'x-confirmation-id': 'a'.repeat(36),
      },
      body: 'amount=10',
    });
    expect(answer.status).toBe(400);
  });
});

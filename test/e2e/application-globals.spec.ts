// What an application does globally, in rows that hold every pair of pipes, interceptors, serializers, filters, places and
// adapters. In each row the routes of the bundled controller and the guarded routes of the application mean the same.
import { readFile } from 'node:fs/promises';

import {
  BadRequestException,
  Body,
  Controller,
  HttpCode,
  HttpException,
  Post,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
import { describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  type PurposeDefinition,
} from '../../lib/index.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { pairwise } from '../support/pairs.js';
import {
  caught,
  FILTERS,
  INTERCEPTORS,
  PIPES,
  PLACES,
  SERIALIZERS,
  type Place,
} from './application-globals.js';
import { requestOf } from './guarded-routes.js';

class TransferDetails {
  @IsString()
  @MaxLength(12)
  amount!: string;
}

const DETAILS = { amount: '1000' };
const purposes: Record<string, PurposeDefinition> = {
  '': { open: true },
  transfer: {
    subject: (context: Parameters<typeof requestOf>[0]) => requestOf(context).headers['x-user'],
    recipient: () => 'ann@example.com',
    details: TransferDetails,
  },
};

/** What the handlers received. */
const received: unknown[] = [];

@Controller({ path: 'guarded', version: VERSION_NEUTRAL })
class GuardedController {
  @Post('guard')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  guard(@Body() _body: TransferDetails): object {
    return { ok: true };
  }

  @Post('handler')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async handler(
    @Body() _body: TransferDetails,
    @Confirmation() proof: ConfirmationProof,
  ): Promise<object> {
    await proof.use();
    received.push(proof instanceof ConfirmationProof && proof.isUsed && proof.id);
    return { ok: true };
  }

  @Post('failing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  failing(@Confirmation() _proof: ConfirmationProof): never {
    throw new BadRequestException();
  }
}

const COLUMNS = { PIPES, INTERCEPTORS, SERIALIZERS, FILTERS, PLACES, adapters };
const sizes = Object.values(COLUMNS).map(({ length }) => length);
const rows = pairwise(sizes).map(([pipe, interceptor, serializer, filter, place, adapter]) => ({
  pipe: PIPES[pipe!]!,
  interceptor: INTERCEPTORS[interceptor!]!,
  serializer: SERIALIZERS[serializer!]!,
  filter: FILTERS[filter!]!,
  place: PLACES[place!]!,
  adapter: adapters[adapter!]!,
}));

/** The answer without the `{ data }` that the application puts around each. */
const unwrapped = ({ body }: Answer): Record<string, unknown> => {
  const { data = body } = body as { data?: unknown };
  return data as Record<string, unknown>;
};

async function confirmByTheController(
  app: HttpTestApp,
  { path, headers = {} }: Place,
): Promise<void> {
  const post = (route: string, body: object): Promise<Answer> =>
    app.post(`${path}/${route}`, body, headers);
  const asked = await post('request-confirmation', { token: ' ann@example.com'.trim() });
  expect(asked).toMatchObject({ status: 200 });
  const { id, ...told } = unwrapped(asked) as { id: string };
  expect(told).toStrictEqual({
    expiresAt: expect.any(String) as string,
    expiresIn: expect.any(Number) as number,
    resendAt: expect.any(String) as string,
    resendIn: expect.any(Number) as number,
    attemptsLeft: 5,
    codeLength: 20,
    maskedToken: 'a***@e***.com',
  });
  expect(await post('confirm', { id, code: 123456 })).toBeProblem(400, 'invalid-request');
  const wrong = app.inbox.lastCode.replace(/^./, (first) => (first === 'B' ? 'C' : 'B'));
  expect(await post('confirm', { id, code: wrong })).toBeProblem(422, 'code-mismatch', {
    attemptsLeft: 4,
  });
  const confirmed = await post('confirm', { id, code: app.inbox.lastCode, extra: 'member' });
  expect(confirmed).toMatchObject({ status: 200 });
  expect(unwrapped(confirmed)).toStrictEqual({ id, confirmed: true });
  expect(await post('resend/', { id })).toBeProblem(409, 'already-confirmed');
  expect(unwrapped(await post('check', { id }))).toMatchObject({ id, status: 'confirmed' });
}

async function useGuardedRoutes(app: HttpTestApp, { prefix = '' }: Place): Promise<void> {
  const prove = async (): Promise<string> => {
    const binding = { purpose: 'transfer', subject: 'ann', details: DETAILS };
    return (await app.confirmer.makeConfirmation({ ...binding, isConfirmed: true })).id;
  };
  const call = async (route: string, id?: string, body: object = DETAILS): Promise<number> => {
    const headers = { 'x-user': 'ann', ...(id && { 'x-confirmation-id': id }) };
    return (await app.post(`${prefix}/guarded/${route}`, body, headers)).status;
  };
  expect(await call('guard')).toBe(403);
  const id = await prove();
  expect(await call('guard', id, { amount: '1001' })).toBe(403);
  expect([await call('guard', id), await call('guard', id)]).toStrictEqual([200, 409]);
  const second = await prove();
  expect([await call('handler', second), await call('handler', second)]).toStrictEqual([200, 409]);
  expect(received.splice(0)).toStrictEqual([second]);
  const third = await prove();
  expect(await call('failing', third)).toBe(400);
  expect(await app.confirmer.check(third)).toMatchObject([{}, true]);
  expect(await call('guard', third, { amount: '1000', other: 'x' })).toBe(400);
}

describe('The routes under the globals of an application', () => {
  it.each(rows)(
    'mean the same on $adapter.name with pipe $pipe.name, interceptor $interceptor.name, serializer $serializer.name, ' +
      'filter $filter.name, place $place.name',
    async ({ pipe, interceptor, serializer, filter, place, adapter }) => {
      const globals = [pipe, interceptor, serializer, filter, place];
      const app = await startHttpApp({
        adapter: adapter.create(),
        options: { controller: { version: place.version }, purposes },
        providers: globals.flatMap(({ providers = [] }) => providers),
        controllers: [GuardedController],
        configure: (each) => {
          for (const { configure } of globals) configure?.(each);
        },
      });
      caught.length = 0;
      try {
        await confirmByTheController(app, place);
        // The controller has a filter of its own, so that those of the application caught nothing of it.
        expect(caught).toStrictEqual([]);
        await useGuardedRoutes(app, place);
        expect(caught.every((error) => error instanceof HttpException)).toBe(true);
        const isOfApplication = !['none', 'TwoFactorExceptionFilter'].includes(filter.name);
        expect(caught).toHaveLength(isOfApplication ? 6 : 0);
      } finally {
        await app.close();
      }
    },
  );

  it('are tested in combinations that contain every pair of globals, as test/README.md lists', async () => {
    const columns = Object.values(COLUMNS);
    for (const [a, first] of columns.entries()) {
      for (const [b, second] of columns.entries()) {
        if (b <= a) continue;
        const pairs = new Set(pairwise(sizes).map((row) => `${row[a]} ${row[b]}`));
        expect(pairs.size).toBe(first.length * second.length);
      }
    }
    const page = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    for (const { name } of [PIPES, INTERCEPTORS, SERIALIZERS, FILTERS, PLACES].flat()) {
      expect(page).toContain(name);
    }
    expect(page).toContain(`${rows.length} rows`);
  });
});

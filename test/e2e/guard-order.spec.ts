import { Controller, Get, UseGuards, type CanActivate } from '@nestjs/common';
import { describe, expect, it } from 'vitest';

import { Confirmation, ConfirmationProof, RequireConfirmation } from '../../lib/index.js';
import { startHttpApp } from '../support/http.js';
import { guardedCaller } from './guarded-routes.js';

/** Signs in whom the header names. */
const signsIn: CanActivate = {
  canActivate: (context) => {
    const request = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string>; user?: string }>();
    const user = request.headers['x-user'];
    if (user !== undefined) request.user = user;
    return user !== undefined;
  },
};

const sessionPurposes = {
  transfer: {
    subject: (context: Parameters<CanActivate['canActivate']>[0]) =>
      context.switchToHttp().getRequest<{ user?: string }>().user,
    recipient: () => 'ann@example.com',
  },
};

@Controller('orders')
class MethodsController {
  @Get('above')
  @UseGuards(signsIn)
  @RequireConfirmation('transfer')
  above(): string {
    return 'ran';
  }

  @Get('below')
  @RequireConfirmation('transfer')
  @UseGuards(signsIn)
  below(): string {
    return 'ran';
  }

  @Get('handler')
  @UseGuards(signsIn)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  handler(@Confirmation() _proof: ConfirmationProof): string {
    return 'ran';
  }
}

class Inherited {
  @Get('method')
  @UseGuards(signsIn)
  method(): string {
    return 'ran';
  }
}

@Controller('guarded-class')
@RequireConfirmation('transfer')
class GuardedClassController extends Inherited {}

@Controller('both')
@RequireConfirmation('transfer')
class BothController {
  @Get('method')
  @RequireConfirmation('transfer')
  @UseGuards(signsIn)
  method(): string {
    return 'ran';
  }
}

/** Inherits the same method, and asks for no proof. */
@Controller('unguarded')
class UnguardedController extends Inherited {}

describe('The order of @RequireConfirmation and @UseGuards', () => {
  it('does not matter: the other guards run first, and their refusal keeps the proof', async () => {
    const app = await startHttpApp({
      options: { purposes: sessionPurposes },
      controllers: [MethodsController, GuardedClassController, BothController, UnguardedController],
    });
    const { prove, isUsable } = guardedCaller(() => app);
    const get = async (route: string, id: string, user?: string): Promise<number> => {
      const headers = { 'x-confirmation-id': id, ...(user && { 'x-user': user }) };
      return (await app.call(`/${route}`, { headers })).status;
    };
    try {
      for (const route of [
        'orders/above',
        'orders/below',
        'orders/handler',
        'guarded-class/method',
        'both/method',
      ]) {
        const id = await prove();
        expect([route, await get(route, id)]).toStrictEqual([route, 403]);
        expect(await isUsable(id)).toBe(true);
        expect([route, await get(route, id, 'ann')]).toStrictEqual([route, 200]);
        expect([route, await get(route, id, 'ann')]).toStrictEqual([route, 409]);
      }
      expect(await get('unguarded/method', 'none', 'ann')).toBe(200);
      expect(await get('unguarded/method', 'none')).toBe(403);
    } finally {
      await app.close();
    }
  });
});

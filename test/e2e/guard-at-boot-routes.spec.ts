// What `@RequireConfirmation` would guard nothing at, and what it may stand at.
import { Controller, Injectable, Post, type Type } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { describe, expect, it } from 'vitest';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorConfirmationRequiredError,
  TwoFactorConfirmationUsedError,
} from '../../lib/index.js';
import { startHttpApp } from '../support/http.js';
import { startApp } from '../support/test-app.js';
import { guardedCaller, purposes } from './guarded-routes.js';

const confirmationId = (): string => 'unknown';

/** Of `ExternalContextCreator.create`, between the method's name and the type of the transport. */
const NO_OPTIONS = [undefined, undefined, undefined, undefined, undefined] as const;

interface Classes {
  readonly controllers?: Type<object>[];
  readonly providers?: Type<object>[];
}

const boot = async (classes: Classes): Promise<unknown> =>
  startApp({ options: { purposes }, ...classes }).then((app) => app.close());

/** As aspects do that forget the metadata of what they wrap. */
function forgetfulWrapper(_target: object, _name: string, descriptor: PropertyDescriptor): void {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  descriptor.value = function wrapped(this: unknown, ...args: unknown[]): unknown {
    return original.apply(this, args);
  };
}

/** As decorators do that set a list of guards instead of adding to it. */
function replacesGuards(_target: object, _name: string, descriptor: PropertyDescriptor): void {
  Reflect.defineMetadata('__guards__', [], descriptor.value as object);
}

abstract class Base {
  @Post('pay')
  @RequireConfirmation('transfer')
  pay(): string {
    return 'paid';
  }
}

describe('A boot with @RequireConfirmation', () => {
  it('is refused when the method is no route of its class', async () => {
    @Injectable()
    class Transfers {
      @RequireConfirmation('transfer')
      pay(): void {}
    }
    @Controller('transfers')
    class TransfersController {
      @RequireConfirmation('transfer')
      pay(): void {}
    }
    const isNone = '.pay has @RequireConfirmation, but is no route: Nest runs no guard there.';
    await expect(boot({ providers: [Transfers] })).rejects.toThrow(`Transfers${isNone}`);
    await expect(boot({ controllers: [TransfersController] })).rejects.toThrow(
      `TransfersController${isNone}`,
    );
  });

  it('is refused when no transport calls the routes of its class', async () => {
    @Controller('transfers')
    class Transfers extends Base {}

    class Gateway {
      @SubscribeMessage('pay')
      @RequireConfirmation('transfer', { confirmationId })
      pay(): void {}
    }
    @Controller()
    @WebSocketGateway()
    class ListedAsController extends Gateway {}

    class Consumer {
      @MessagePattern('pay')
      @RequireConfirmation('transfer', { confirmationId })
      pay(): void {}
    }
    for (const classes of [
      { providers: [Transfers] },
      { providers: [Gateway] },
      { controllers: [ListedAsController] },
      { providers: [Consumer] },
    ]) {
      await expect(boot(classes)).rejects.toThrow(
        /^\w+\.pay has @RequireConfirmation and the decorator of a route, but no transport calls it\. List its class/,
      );
    }
  });

  it('is refused when a class has it and no route', async () => {
    @Injectable()
    @RequireConfirmation('transfer')
    class Guarded {
      pay(): void {}
    }
    await expect(boot({ providers: [Guarded] })).rejects.toThrow(
      'Guarded has @RequireConfirmation, but is no route',
    );
  });

  it('is refused when a subclass overrides the route without it', async () => {
    @Controller('transfers')
    class Overriding extends Base {
      @Post('pay')
      override pay(): string {
        return super.pay();
      }
    }
    @Controller('other')
    class BelowIt extends Overriding {}
    const isLost =
      '.pay overrides a method that has @RequireConfirmation, and has none itself. Repeat the decorator on it, or put it ' +
      'on the class.';
    await expect(boot({ controllers: [Overriding] })).rejects.toThrow(`Overriding${isLost}`);
    await expect(boot({ controllers: [BelowIt] })).rejects.toThrow(`BelowIt${isLost}`);
  });

  it('is refused when another decorator took its place', async () => {
    @Controller('transfers')
    class Wrapped {
      @Post('pay')
      @forgetfulWrapper
      @RequireConfirmation('transfer')
      pay(): void {}
    }
    @Controller('transfers')
    class Replaced {
      @Post('pay')
      @replacesGuards
      @RequireConfirmation('transfer')
      pay(): void {}
    }
    await expect(boot({ controllers: [Wrapped] })).rejects.toThrow(
      'Wrapped.pay has lost its @RequireConfirmation: another decorator has put a function of its own in its place.',
    );
    await expect(boot({ controllers: [Replaced] })).rejects.toThrow(
      'Replaced.pay has @RequireConfirmation, and another decorator has removed its guard or its interceptor.',
    );
  });

  it('is refused when the constructor binds the method, which Nest would call without guards', async () => {
    @Controller('transfers')
    class Binding extends Base {
      constructor() {
        super();
        this.pay = this.pay.bind(this);
      }
    }
    await expect(boot({ controllers: [Binding] })).rejects.toThrow(
      'Binding.pay has @RequireConfirmation, but its instance has a function of its own in its place',
    );
  });

  it('is refused when the proof is for a handler that does not ask for it', async () => {
    abstract class Asking {
      @Post('pay')
      @RequireConfirmation('transfer', { useIn: 'handler' })
      pay(@Confirmation() proof: ConfirmationProof): string {
        return proof.id;
      }
    }
    @Controller('transfers')
    class Inheriting extends Asking {}

    @Controller('transfers')
    class Forgetting {
      @Post('pay')
      @RequireConfirmation('transfer', { useIn: 'handler' })
      pay(): void {}
    }
    @Controller('transfers')
    @RequireConfirmation('transfer', { useIn: 'handler' })
    class ForgettingByClass {
      @Post('pay')
      pay(): void {}
    }
    @WebSocketGateway()
    class ForgettingGateway {
      @SubscribeMessage('pay')
      @RequireConfirmation('transfer', { useIn: 'handler', confirmationId })
      pay(): void {}
    }
    @Controller()
    class ForgettingConsumer {
      @MessagePattern('pay')
      @RequireConfirmation('transfer', { useIn: 'handler', confirmationId })
      pay(): void {}
    }
    await boot({ controllers: [Inheriting] });
    for (const classes of [
      { controllers: [Forgetting] },
      { controllers: [ForgettingByClass] },
      { providers: [ForgettingGateway] },
      { controllers: [ForgettingConsumer] },
    ]) {
      await expect(boot(classes)).rejects.toThrow(
        /^Forgetting\w*\.pay has @RequireConfirmation with useIn: 'handler', but no @Confirmation\(\) among its parameters\. Add @Confirmation\(\) proof: ConfirmationProof and call proof\.use\(\), or say useIn: 'guard'\.$/,
      );
    }
  });

  it('is refused by the decorator on a static method', () => {
    expect(() => {
      class Static {
        @RequireConfirmation('transfer')
        static pay(): void {}
      }
      return Static;
    }).toThrow('@RequireConfirmation is on pay, which is static');
  });

  it('succeeds when a subclass inherits the route, overrides it with the decorator, or has it on the class', async () => {
    @Controller('inheriting')
    class Inheriting extends Base {}

    @Controller('overriding')
    class Overriding extends Base {
      @Post('pay')
      @RequireConfirmation('transfer')
      override pay(): string {
        return 'overridden';
      }
    }
    @Controller('by-class')
    @RequireConfirmation('transfer')
    class ByClass extends Base {
      @Post('pay')
      override pay(): string {
        return 'overridden';
      }
    }
    /** Takes the route away. */
    @Controller('without')
    class Without extends Base {
      override pay(): string {
        return 'never';
      }
    }
    const app = await startHttpApp({
      options: { purposes },
      controllers: [Inheriting, Overriding, ByClass, Without],
      providers: [Inheriting],
    });
    const { call, prove } = guardedCaller(() => app);
    try {
      for (const route of ['inheriting/pay', 'overriding/pay', 'by-class/pay']) {
        expect(await call(route)).toMatchObject({ status: 403 });
        expect(await call(route, await prove())).toMatchObject({ status: 201 });
      }
      expect(await call('without/pay', await prove())).toMatchObject({ status: 404 });
    } finally {
      await app.close();
    }
  });

  it('succeeds with a warning for a method that a transport of the application calls', async () => {
    interface Telegram {
      readonly user: string;
      readonly proof?: string;
    }
    @Injectable()
    class Telegraph {
      @RequireConfirmation('transfer', {
        confirmationId: (context) => context.switchToRpc().getData<Telegram>().proof,
        isCustomRoute: true,
      })
      pay(_telegram: unknown): string {
        return 'paid';
      }
    }
    const app = await startHttpApp({ options: { purposes }, providers: [Telegraph] });
    const { prove } = guardedCaller(() => app);
    try {
      const telegraph = app.app.get(Telegraph);
      const receive = app.app
        .get(ExternalContextCreator, { strict: false })
        .create(telegraph, Telegraph.prototype['pay'], 'pay', ...NO_OPTIONS, 'telegraph');
      const proof = await prove();
      await expect(receive({ user: 'ann' }, {})).rejects.toBeInstanceOf(
        TwoFactorConfirmationRequiredError,
      );
      expect(await receive({ user: 'ann', proof }, {})).toBe('paid');
      await expect(receive({ user: 'ann', proof }, {})).rejects.toBeInstanceOf(
        TwoFactorConfirmationUsedError,
      );
    } finally {
      await app.close();
    }
  });
});

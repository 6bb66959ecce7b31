import { Controller, Injectable, Post, type Type } from '@nestjs/common';
import { describe, expect, it } from 'vitest';

import { RequireConfirmation, TwoFactorConfigurationError } from '../../lib/index.js';
import { METHODS } from '../support/authenticator.js';
import { startApp } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { purposes } from './guarded-routes.js';

const boot = async (controller: Type<unknown>): Promise<unknown> =>
  startApp({ options: { purposes }, controllers: [controller] }).then((app) => app.close());

describe('A guarded route at boot', () => {
  it('is refused for a purpose without subject resolver, by name and with the remedy', async () => {
    @Controller('phones')
    class PhoneController {
      @Post()
      @RequireConfirmation('change-phone')
      change(): void {}
    }
    const failure = boot(PhoneController);
    await expect(failure).rejects.toBeInstanceOf(TwoFactorConfigurationError);
    await expect(failure).rejects.toThrow(
      'PhoneController.change requires a confirmation for "change-phone", which has no subject resolver, so that ' +
        "anybody could bring anybody's proof: give it subject and recipient under purposes in the options.",
    );
  });

  it('is refused for an undeclared purpose, by name and with the remedy', async () => {
    @Controller('withdrawals')
    class WithdrawalController {
      @Post()
      @RequireConfirmation('withdraw', { useIn: 'handler' })
      withdraw(): void {}
    }
    await expect(boot(WithdrawalController)).rejects.toThrow(
      'WithdrawalController.withdraw requires a confirmation for "withdraw", which is not declared: write one of ' +
        `${Object.keys(purposes).join(', ')}, or give it subject and recipient under purposes in the options.`,
    );
  });

  it('is refused with the name of its class when the decorator is on the class, and when the route is inherited', async () => {
    abstract class Base {
      @Post()
      @RequireConfirmation('withdraw')
      withdraw(): void {}
    }
    @Controller('withdrawals')
    class InheritingController extends Base {}
    await expect(boot(InheritingController)).rejects.toThrow('InheritingController.withdraw ');

    @Controller('withdrawals')
    @RequireConfirmation('withdraw')
    class GuardedController {
      @Post()
      withdraw(): void {}
    }
    await expect(boot(GuardedController)).rejects.toThrow('GuardedController requires ');
  });

  const openedBy = (requirement: object, purpose: object = {}): Promise<unknown> => {
    @Controller('payments')
    class PaymentController {
      @Post()
      @RequireConfirmation('payment', requirement)
      pay(): void {}
    }
    const payment = { subject: () => 'ann', recipient: () => 'ann@example.com', ...purpose };
    const options = { methods: METHODS, purposes: { payment } };
    return startApp({ options, controllers: [PaymentController] }).then((app) => app.close());
  };

  it('is refused when any phone number would open it: its client names where codes go, and nothing compares that', async () => {
    const boot = openedBy({}, { recipient: 'client' });
    await expect(boot).rejects.toThrow(TwoFactorConfigurationError);
    await expect(boot).rejects.toThrow(
      'PaymentController.pay requires a confirmation for "payment", whose codes go where the client says, and nothing compares that',
    );
    await openedBy({ details: () => ({ phone: '+14155550123' }) }, { recipient: 'client' });
    await openedBy({}, { recipient: 'client', details: () => ({ phone: '+14155550123' }) });
  });

  it.each([
    [['passkey'], {}, 'by passkey, and this purpose confirms by code, totp, recovery, hand:'],
    [['code'], { methods: ['totp'] }, 'by code, and this purpose confirms by totp, hand:'],
    [['passkey'], { methods: () => ['totp'] }, 'by passkey, and this purpose confirms by code, '],
  ])(
    'is refused when it asks for proofs by %j that %j never has',
    async (confirmedBy, purpose, text) => {
      await expect(openedBy({ confirmedBy }, purpose)).rejects.toThrow(
        `PaymentController.pay requires a confirmation for "payment" ${text}`,
      );
    },
  );

  it('is refused when it asks for proofs through a sender that its purpose leaves out', async () => {
    await expect(openedBy({ senders: ['sms'] }, { senders: ['default'] })).rejects.toThrow(
      'PaymentController.pay requires a confirmation for "payment" through sms, and this purpose sends through default: add ' +
        'sms to purposes.payment.senders, or name another sender on the route.',
    );
  });

  it.each([
    [{ confirmedBy: ['paskey'] }, 'a confirmation by "paskey", which is no method:'],
    [{ confirmedBy: ['code', 'paskey'] }, 'a confirmation by "paskey", which is no method:'],
    [{ confirmedBy: 'code' }, 'with confirmedBy, which is "code": give a list of names'],
    [{ confirmedBy: [] }, 'with confirmedBy, which is an array: give a list of names'],
    [{ senders: 'email' }, 'with senders, which is "email": give a list of names'],
  ])('is refused for %o', async (requirement, text) => {
    await expect(openedBy(requirement)).rejects.toThrow(text);
  });

  it.each([
    [{ confirmedBy: ['hand'] }, { methods: ['totp'] }],
    [{ confirmedBy: ['totp'] }, {}],
    [{ confirmedBy: ['passkey', 'totp'] }, { methods: ['totp'] }],
    [{ confirmedBy: ['recovery'] }, { methods: () => ['totp'] }],
    [{ senders: ['sms', 'default'] }, { senders: ['default'] }],
    [{ senders: ['sms'] }, {}],
  ])('starts for %o when %o can have such a proof', async (requirement, purpose) => {
    await expect(openedBy(requirement, purpose)).resolves.toBeUndefined();
  });

  it.each(['spend', 'sender', 'detials'])(
    'is refused when %s, which is no option of the decorator, would be ignored',
    (misspelt) => {
      const options = { [misspelt]: ['sms'] };
      expect(() => RequireConfirmation('transfer', options)).toThrow(
        new TwoFactorConfigurationError(
          `There is no option of @RequireConfirmation: ${misspelt}. Known: confirmationId, confirmedBy, details, isCustomRoute, senders, useIn.`,
        ),
      );
    },
  );

  it('is refused in a provider too, where gateways and resolvers are', async () => {
    @Injectable()
    class WithdrawalGateway {
      @RequireConfirmation('withdraw', { confirmationId: () => UNKNOWN_ID })
      withdraw(): void {}
    }
    const failure = startApp({ options: { purposes }, providers: [WithdrawalGateway] });
    await expect(failure).rejects.toThrow('WithdrawalGateway.withdraw ');
  });

  it('is refused by the decorator when no purpose can have that name', () => {
    expect(() => RequireConfirmation('Transfer ')).toThrow(TypeError);
  });

  it('is refused when it has two @RequireConfirmation', () => {
    expect(() => {
      class Doubled {
        @RequireConfirmation('transfer')
        @RequireConfirmation('delete-account')
        transfer(): void {}
      }
      return Doubled;
    }).toThrow('There are two @RequireConfirmation on transfer.');
    expect(() => {
      @RequireConfirmation('transfer')
      @RequireConfirmation('delete-account')
      class Doubled {}
      return Doubled;
    }).toThrow('There are two @RequireConfirmation on a class.');
  });
});

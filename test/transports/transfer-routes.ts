import { UseFilters, UseGuards, type CanActivate, type ExecutionContext } from '@nestjs/common';

import {
  Confirmation,
  ConfirmationProof,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type JsonValue,
} from '../../lib/index.js';
import { NaiveConfirmation } from '../support/naive-confirmation.js';
import { Bank, type RouteName, type TransferCall } from './transfers.js';

/** What a transport calls the parts of a route. */
export interface Transport {
  /** Of a class that has routes. */
  readonly serves: ClassDecorator;
  readonly route: (name: RouteName) => MethodDecorator;
  /** The parameter that is what a call brought. */
  readonly body: ParameterDecorator;
  /** Of handlers that do not read it, where what a call may bring has to be declared. */
  readonly unread?: ParameterDecorator;
  /** What a call brought, as a guard sees it. */
  readonly look: (context: ExecutionContext) => TransferCall;
  /** What a handler returns. @default the value itself */
  readonly answer?: (value: string) => unknown;
}

/** How a guarded route finds its proof and its details. */
export interface Found {
  confirmationId(this: void, context: ExecutionContext): unknown;
  details(this: void, context: ExecutionContext): JsonValue;
}

/** A class that has routes. */
export type Routes = new (bank: Bank) => object;

/** The routes of all transports: to the bank, guarded with what the transport says. */
export function transferRoutes({
  serves,
  route,
  body,
  unread = () => undefined,
  look,
  answer = (value) => value,
}: Transport): Found & { readonly TransferRoutes: Routes; readonly AccountRoutes: Routes } {
  const confirmationId: Found['confirmationId'] = (context) => look(context).proof;
  const details: Found['details'] = (context) => {
    const { amount = '', payee = '' } = look(context);
    return { amount, payee };
  };

  /** Closed for a call that says so. */
  const opens: CanActivate = { canActivate: (context) => look(context).fails !== true };

  @serves
  @UseFilters(TwoFactorExceptionFilter)
  class TransferRoutes {
    constructor(private readonly bank: Bank) {}

    @route('request')
    async request(@body call: TransferCall): Promise<unknown> {
      return answer(await this.bank.request(call));
    }

    @route('confirm')
    async confirm(@body { proof, code = '' }: TransferCall): Promise<unknown> {
      return answer(await this.bank.confirm(String(proof), code));
    }

    @route('guarded')
    @RequireConfirmation('transfer', { confirmationId, details })
    guarded(@unread _call: TransferCall): unknown {
      return answer(this.bank.done());
    }

    @route('transactional')
    @RequireConfirmation('transfer', { confirmationId, details, useIn: 'handler' })
    async transactional(
      @body call: TransferCall,
      @Confirmation() proof: ConfirmationProof,
    ): Promise<unknown> {
      return answer(await this.bank.pay(proof, call));
    }

    @route('forgetful')
    @RequireConfirmation('transfer', { confirmationId, details, useIn: 'handler' })
    forgetful(@unread _call: TransferCall, @Confirmation() _proof: ConfirmationProof): unknown {
      return answer(this.bank.done());
    }

    @route('naive')
    @NaiveConfirmation({ confirmationId, details })
    async naive(@unread _call: TransferCall): Promise<unknown> {
      return answer(await this.bank.doneTogether());
    }

    /** Another guard stands above, so that Nest would run it later. */
    @route('ordered')
    @UseGuards(opens)
    @RequireConfirmation('transfer', { confirmationId, details })
    ordered(@unread _call: TransferCall): unknown {
      return answer(this.bank.done());
    }

    @route('broken')
    broken(@body { proof }: TransferCall): never {
      return this.bank.fail(proof);
    }
  }

  @serves
  @UseFilters(TwoFactorExceptionFilter)
  @RequireConfirmation('transfer', { confirmationId, details })
  class AccountRoutes {
    constructor(private readonly bank: Bank) {}

    @route('deleting')
    @RequireConfirmation('delete-account', { confirmationId })
    deleting(@unread _call: TransferCall): unknown {
      return answer(this.bank.done());
    }

    /** Nest runs the guards of a class before those of its methods. */
    @route('orderedByClass')
    @UseGuards(opens)
    orderedByClass(@unread _call: TransferCall): unknown {
      return answer(this.bank.done());
    }
  }

  return { confirmationId, details, TransferRoutes, AccountRoutes };
}

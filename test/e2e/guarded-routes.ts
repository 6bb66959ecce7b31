import {
  BadRequestException,
  Body,
  Controller,
  HttpCode,
  Post,
  UseFilters,
  type ExecutionContext,
} from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

import {
  Confirmation,
  ConfirmationProof,
  ConfirmerService,
  RequireConfirmation,
  TwoFactorExceptionFilter,
  type JsonValue,
  type PurposeDefinition,
} from '../../lib/index.js';
import type { Answer, HttpTestApp } from '../support/http.js';

export const DETAILS = { amount: '10.00', payee: 'Bob' };

export interface Request {
  readonly headers: Record<string, string | undefined>;
  readonly body: JsonValue;
}

export const requestOf = (context: ExecutionContext): Request =>
  context.switchToHttp().getRequest<Request>();

/** The user of a request, or of a message. */
export function subjectOf(context: ExecutionContext): string | undefined {
  if (context.getType() === 'http') return requestOf(context).headers['x-user'];
  return context.switchToRpc().getData<{ user?: string }>().user;
}

export const resolved: PurposeDefinition = {
  subject: subjectOf,
  recipient: () => 'ann@example.com',
};
export const purposes = { transfer: resolved, 'delete-account': resolved, 'change-phone': {} };

@Controller('transfers')
export class TransferController {
  /** How often each handler ran. */
  static readonly runs: string[] = [];

  constructor(
    private readonly dataSource: DataSource,
    private readonly confirmer: ConfirmerService,
  ) {}

  @Post('plain')
  @HttpCode(200)
  @RequireConfirmation('transfer')
  plain(): object {
    TransferController.runs.push('plain');
    return { ok: true };
  }

  @Post('detailed')
  @HttpCode(200)
  @RequireConfirmation('transfer', { details: (context) => requestOf(context).body })
  detailed(@Body() body: object): object {
    return body;
  }

  @Post('refusing')
  @RequireConfirmation('transfer')
  refusing(): never {
    throw new BadRequestException('not today');
  }

  @Post('in-body')
  @HttpCode(200)
  @RequireConfirmation('transfer', {
    confirmationId: (context) => (requestOf(context).body as { proof?: unknown }).proof,
  })
  inBody(): object {
    return { ok: true };
  }

  @Post('filtered')
  @HttpCode(200)
  @UseFilters(TwoFactorExceptionFilter)
  @RequireConfirmation('transfer')
  filtered(): object {
    return { ok: true };
  }

  @Post('handler/using')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async using(@Confirmation() proof: ConfirmationProof): Promise<object> {
    const before = proof.isUsed;
    await proof.use();
    return { id: proof.id, subject: proof.state.subject, spent: [before, proof.isUsed] };
  }

  @Post('handler/forgetting')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  forgetting(@Confirmation() _proof: ConfirmationProof): object {
    TransferController.runs.push('forgetting');
    return { ok: true };
  }

  @Post('handler/silent')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  silent(@Confirmation() _proof: ConfirmationProof): void {}

  @Post('handler/throwing')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  throwing(@Confirmation() _proof: ConfirmationProof): never {
    throw new BadRequestException('not today');
  }

  @Post('handler/overtaken')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async overtaken(@Confirmation() proof: ConfirmationProof): Promise<object> {
    const used = await this.confirmer.use(proof.id, { purpose: 'transfer', subject: 'ann' });
    return { usedByAnother: used };
  }

  @Post('handler/twice')
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async twice(@Confirmation() proof: ConfirmationProof): Promise<void> {
    await proof.use();
    await proof.use();
  }

  @Post('handler/transaction')
  @HttpCode(200)
  @RequireConfirmation('transfer', { useIn: 'handler' })
  async transaction(
    @Confirmation() proof: ConfirmationProof,
    @Body() { fails }: { fails?: boolean },
  ): Promise<object> {
    await this.dataSource.transaction(async (manager: EntityManager) => {
      await proof.use({ manager });
      if (fails) throw new BadRequestException('no money');
    });
    return { spent: proof.isUsed };
  }

  @Post('no-proof')
  @HttpCode(200)
  noProof(@Confirmation() _proof: ConfirmationProof): object {
    return { ok: true };
  }
}

@Controller('account')
@RequireConfirmation('transfer')
export class AccountController {
  @Post('close')
  @HttpCode(200)
  @RequireConfirmation('delete-account')
  close(): object {
    return { ok: true };
  }

  @Post('empty')
  @HttpCode(200)
  @RequireConfirmation('delete-account', { useIn: 'handler' })
  empty(@Confirmation() proof: ConfirmationProof): object {
    return { purpose: proof.state.purpose };
  }

  @Post('move')
  @HttpCode(200)
  move(): object {
    return { ok: true };
  }
}

/** What Ann does with the guarded routes of an application. */
export interface GuardedCaller {
  /** A proof of Ann's, as the controller would have made it. */
  readonly prove: (binding?: {
    purpose?: string;
    subject?: string;
    details?: JsonValue;
  }) => Promise<string>;
  readonly call: (route: string, id?: string, body?: unknown) => Promise<Answer>;
  readonly isUsable: (id: string) => Promise<boolean>;
}

export function guardedCaller(app: () => HttpTestApp): GuardedCaller {
  return {
    prove: async (binding = {}) => {
      const state = await app().confirmer.makeConfirmation({
        purpose: 'transfer',
        subject: 'ann',
        ...binding,
        isConfirmed: true,
      });
      return state.id;
    },
    call: async (route, id, body = {}) =>
      app().post(`/${route}`, body, { 'x-user': 'ann', ...(id && { 'x-confirmation-id': id }) }),
    isUsable: async (id) => (await app().confirmer.check(id))[1],
  };
}

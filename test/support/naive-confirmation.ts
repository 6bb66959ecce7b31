import {
  applyDecorators,
  Injectable,
  SetMetadata,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { concatMap, type Observable } from 'rxjs';

import { ConfirmerService, type JsonValue } from '../../lib/index.js';

interface NaiveRequirement {
  confirmationId(this: void, context: ExecutionContext): unknown;
  details?(this: void, context: ExecutionContext): JsonValue;
}

const REQUIREMENT = Symbol('naive requirement');

const requirementOf = (context: ExecutionContext): NaiveRequirement =>
  Reflect.getMetadata(REQUIREMENT, context.getHandler()) as NaiveRequirement;

@Injectable()
class CheckingGuard implements CanActivate {
  constructor(private readonly confirmer: ConfirmerService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { confirmationId, details } = requirementOf(context);
    const binding = { purpose: 'transfer', subject: 'ann', details: details?.(context) };
    return (await this.confirmer.check(String(confirmationId(context)), binding))[1];
  }
}

@Injectable()
class UsingInterceptor implements NestInterceptor {
  constructor(private readonly confirmer: ConfirmerService) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { confirmationId, details } = requirementOf(context);
    const binding = { purpose: 'transfer', subject: 'ann', details: details?.(context) };
    return next.handle().pipe(
      concatMap(async (answer: unknown) => {
        if (!(await this.confirmer.use(String(confirmationId(context)), binding))) {
          throw new Error('The proof is used.');
        }
        return answer;
      }),
    );
  }
}

/**
 * What most applications write: check before the handler, use after it. The control of every race test of
 * `@RequireConfirmation`: it must let several handlers run where ours lets one, or the test proves nothing.
 */
export function NaiveConfirmation(requirement: NaiveRequirement): MethodDecorator {
  return applyDecorators(
    SetMetadata(REQUIREMENT, requirement),
    UseGuards(CheckingGuard),
    UseInterceptors(UsingInterceptor),
  );
}

import type { Type } from '@nestjs/common';
import type { ValidationError } from 'class-validator';

import type { JsonValue } from '../confirmation/index.js';
import { TwoFactorInputError } from '../errors/index.js';
import {
  detailsMembersOf,
  isPrintable,
  MAX_MEMBERS,
  type DetailsMembers,
  type NestedDetails,
} from './details-rules.js';
import { validationErrors } from './validation-errors.js';

const MAX_BYTES = 1_024;

type Members = Readonly<Record<string, unknown>>;

/**
 * Validates the details that a class declares for a purpose. Values are not converted, so that the person approves the very
 * values that the guarded route receives.
 */
export class DetailsSchema {
  readonly #root: NestedDetails;

  /** @throws TwoFactorConfigurationError when the details class has a member that accepts a text of any length. */
  constructor(
    private readonly purpose: string,
    type: Type<object>,
  ) {
    this.#root = { type, members: detailsMembersOf(type, `purposes.${purpose}.details`) };
  }

  /**
   * Returns the given details as plain JSON with the declared members. A member of `null` counts as absent.
   *
   * @throws TwoFactorInputError for a member that is missing, wrong or not declared. Its message contains no given value.
   */
  async parse(given: unknown): Promise<JsonValue> {
    const dto = this.#instance(given ?? {}, this.#root);
    const errors = await validationErrors(dto);
    if (errors.length > 0) throw this.#refusal(errors, dto as Members);
    const remaining = { members: MAX_MEMBERS };
    const details = this.#plain(dto as Members, this.#root.members, remaining);
    if (Buffer.byteLength(JSON.stringify(details)) > MAX_BYTES) {
      throw this.#error(`have more than ${MAX_BYTES} bytes`);
    }
    return details;
  }

  #instance(given: unknown, { type, members }: NestedDetails): object {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw this.#error('are not an object');
    }
    const dto = new type() as Record<string, unknown>;
    for (const [name, value] of Object.entries(given)) {
      const nested = members.get(name);
      if (nested === undefined) throw this.#error('have a member that is not declared');
      if (value === null || value === undefined) continue;
      dto[name] = nested === null ? value : this.#instance(value, nested);
    }
    return dto;
  }

  /** Checks each value again, because a decorator with a condition (`@ValidateIf`) may not have been applied. */
  #plain(
    dto: Members,
    members: DetailsMembers,
    remaining: { members: number },
  ): Record<string, JsonValue> {
    const plain: Record<string, JsonValue> = {};
    for (const [name, nested] of members) {
      const value = dto[name];
      if (value === undefined || value === null) continue;
      if (nested !== null) {
        plain[name] = this.#plain(value as Members, nested.members, remaining);
        continue;
      }
      const leaves: readonly unknown[] = Array.isArray(value) ? value : [value];
      remaining.members -= leaves.length;
      if (remaining.members < 0) throw this.#error(`have more than ${MAX_MEMBERS} members`);
      if (!leaves.every(isPrintable)) {
        throw this.#error(`have a text that no message can take in ${name}`);
      }
      plain[name] = value as JsonValue;
    }
    return plain;
  }

  #refusal(errors: readonly ValidationError[], dto: Members): TwoFactorInputError {
    const names = errors.flatMap((error) => invalidMembersOf(error, dto));
    const missing = names.filter(({ isMissing }) => isMissing).map(({ name }) => name);
    const wrong = names.filter(({ isMissing }) => !isMissing).map(({ name }) => name);
    const problems = [
      ...(missing.length > 0 ? [`lack ${missing.join(', ')}`] : []),
      ...(wrong.length > 0 ? [`cannot be accepted in ${wrong.join(', ')}`] : []),
    ];
    return this.#error(problems.join(' and '));
  }

  /** The message contains declared names only, because the client receives it. */
  #error(problem: string): TwoFactorInputError {
    const declared = [...this.#root.members.keys()].join(', ');
    const detail = `The details of the purpose "${this.purpose}" ${problem}. Declared: ${declared}.`;
    return new TwoFactorInputError(detail, { detail });
  }
}

function invalidMembersOf(
  { property, children = [] }: ValidationError,
  dto: Members | undefined,
): { readonly name: string; readonly isMissing: boolean }[] {
  const value = dto?.[property];
  if (children.length === 0) return [{ name: property, isMissing: value === undefined }];
  return children.flatMap((child) =>
    invalidMembersOf(child, value as Members | undefined).map(({ name, isMissing }) => ({
      name: `${property}.${name}`,
      isMissing,
    })),
  );
}

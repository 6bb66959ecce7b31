import 'reflect-metadata';

import type { Type } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';

import { TwoFactorConfigurationError } from '../errors/index.js';
import { isOneLine } from '../options/index.js';

/** Details are part of messages. A text message has 70 characters when one of them is outside of the GSM alphabet. */
export const MAX_TEXT_LENGTH = 70;
/** The most values that details may have, those of nested objects and lists included. */
export const MAX_MEMBERS = 16;

/** The members of a details class by name. A nested object has members of its own; for other members the value is `null`. */
export type DetailsMembers = ReadonlyMap<string, NestedDetails | null>;

export interface NestedDetails {
  readonly type: Type<object>;
  readonly members: DetailsMembers;
}

type Rule = ReturnType<
  ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']
>[number];

/** The decorators of class-validator that accept no text. A member with one of them cannot carry a message of a stranger. */
const WITHOUT_TEXT = new Set(['isBoolean', 'isInt', 'isNumber']);
const NESTED = 'nestedValidation';
const MAX_DEPTH = 3;

/** Whether a function that declares details is a class: by class syntax, or, in code for older targets, by its decorators. */
export function isDetailsClass(details: object): details is Type<object> {
  const prototype = Object.getOwnPropertyDescriptor(details, 'prototype');
  return (
    prototype !== undefined &&
    (prototype.writable === false || rulesOf(details as Type<object>).length > 0)
  );
}

/**
 * The members that a details class declares.
 *
 * @throws TwoFactorConfigurationError for a member that would let a client write text of any length into messages.
 */
export function detailsMembersOf(type: Type<object>, where: string, depth = 1): DetailsMembers {
  const byName = new Map<string, Rule[]>();
  for (const rule of rulesOf(type)) {
    byName.set(rule.propertyName, [...(byName.get(rule.propertyName) ?? []), rule]);
  }
  if (byName.size === 0 || byName.size > MAX_MEMBERS || depth > MAX_DEPTH) {
    throw new TwoFactorConfigurationError(
      `${where} (${type.name}) has ${byName.size} members with decorators of class-validator on level ${depth}. Give it 1 ` +
        `to ${MAX_MEMBERS} on at most ${MAX_DEPTH} levels.`,
    );
  }
  const members = new Map<string, NestedDetails | null>();
  for (const [name, rules] of byName) {
    const isNested = rules.some((rule) => rule.type === NESTED);
    if (isNested) {
      members.set(name, nestedOf(type, name, where, depth));
    } else if (rules.some(isBounded)) {
      members.set(name, null);
    } else {
      throw new TwoFactorConfigurationError(
        `The member ${name} of ${where} (${type.name}) may be a text of any length, which senders print. Give it ` +
          `@MaxLength(${MAX_TEXT_LENGTH}) or less, or @IsInt(), @IsNumber(), @IsBoolean(), @IsIn(), @IsEnum() if it is no text.`,
      );
    }
  }
  return members;
}

function rulesOf(type: Type<object>): Rule[] {
  // The arguments select the rules that `validate` applies without groups, inherited ones included.
  return getMetadataStorage().getTargetValidationMetadatas(type, '', false, false);
}

function isBounded({ name = '', constraints }: Rule): boolean {
  // The type declares `constraints` as always present, but rules without arguments have none.
  const [first, second] = (constraints as readonly unknown[] | undefined) ?? [];
  switch (name) {
    case 'maxLength':
      return isShort(first);
    case 'isLength':
      return isShort(second);
    case 'equals':
      return isPrintable(first);
    case 'isIn':
      return Array.isArray(first) && first.every(isPrintable);
    case 'isEnum':
      return typeof first === 'object' && first !== null && Object.values(first).every(isPrintable);
    default:
      return WITHOUT_TEXT.has(name);
  }
}

function isShort(maxLength: unknown): boolean {
  return typeof maxLength === 'number' && maxLength <= MAX_TEXT_LENGTH;
}

/** Whether a value may be part of a message. */
export function isPrintable(value: unknown): boolean {
  if (typeof value === 'string') {
    // Combining characters are counted as well; class-validator's length does not count all of them.
    return Array.from(value).length <= MAX_TEXT_LENGTH && isOneLine(value);
  }
  return typeof value === 'number' || typeof value === 'boolean' || value === null;
}

function nestedOf(type: Type<object>, name: string, where: string, depth: number): NestedDetails {
  const nested: unknown = Reflect.getMetadata('design:type', type.prototype as object, name);
  if (typeof nested === 'function' && rulesOf(nested as Type<object>).length > 0) {
    const type = nested as Type<object>;
    return { type, members: detailsMembersOf(type, `${where}.${name}`, depth + 1) };
  }
  throw new TwoFactorConfigurationError(
    `The member ${name} of ${where} (${type.name}) has @ValidateNested, and no class with decorators as its type: it is a list, ` +
      'or emitDecoratorMetadata is off. Write its members into the class itself.',
  );
}

import type { Type } from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';

import {
  decoratedMethods,
  requirementOf,
  type ConfirmationRequirement,
  type DecoratedMethods,
} from './confirmation-requirement.js';
import type { Listing } from './route-metadata.js';

export type NestModule = ModulesContainer extends Map<string, infer Module> ? Module : never;

/**
 * A class with `@RequireConfirmation`, on itself or on a method, as one module lists it. A class that several modules list has
 * one entry for each of them, because Nest creates one instance for each.
 */
export interface GuardedClass {
  readonly type: Type<object>;
  readonly module: NestModule;
  readonly listing: Listing;
  /** Undefined until Nest has created it. */
  readonly instance: unknown;
  readonly ofClass: ConfirmationRequirement | undefined;
  readonly decorated: DecoratedMethods;
}

/** A method that requires a proof, by its own decorator or by that of its class. */
export interface GuardedMethod {
  readonly name: string;
  readonly method: object;
  readonly requirement: ConfirmationRequirement;
}

/** The guarded classes of all modules. For every other class, only the prototype's metadata is read. */
export function guardedClasses(modules: ModulesContainer): GuardedClass[] {
  const listed = [...modules.values()].flatMap((module) => [
    ...classesOf(module, 'controllers'),
    ...classesOf(module, 'providers'),
  ]);
  const controllers = new Set(listed.filter((each) => each.isController).map(({ type }) => type));
  const providers = new Set(listed.filter((each) => !each.isController).map(({ type }) => type));
  return listed.flatMap(({ type, module, instance }) => {
    const ofClass = requirementOf(type);
    const decorated = decoratedMethods(type.prototype as object);
    if (ofClass === undefined && decorated.size === 0) return [];
    const listing = { isController: controllers.has(type), isProvider: providers.has(type) };
    return [{ type, module, listing, instance, ofClass, decorated }];
  });
}

/** The guarded methods of a class, inherited ones included. */
export function guardedMethods({ type, ofClass }: GuardedClass): GuardedMethod[] {
  const prototype = type.prototype as Readonly<Record<string, unknown>>;
  return new MetadataScanner().getAllMethodNames(prototype).flatMap((name) => {
    const method = prototype[name];
    if (typeof method !== 'function') return [];
    const requirement = requirementOf(method) ?? ofClass;
    return requirement ? [{ name, method, requirement }] : [];
  });
}

interface ListedClass {
  readonly type: Type<object>;
  readonly module: NestModule;
  readonly instance: unknown;
  readonly isController: boolean;
}

function classesOf(module: NestModule, kind: 'controllers' | 'providers'): ListedClass[] {
  return [...module[kind].values()].flatMap(({ metatype, instance, isNotMetatype }) => {
    const type: unknown = metatype;
    if (isNotMetatype || !isClass(type)) return [];
    return [{ type, module, instance, isController: kind === 'controllers' }];
  });
}

function isClass(type: unknown): type is Type<object> {
  if (typeof type !== 'function') return false;
  const prototype: unknown = type.prototype;
  return typeof prototype === 'object' && prototype !== null;
}

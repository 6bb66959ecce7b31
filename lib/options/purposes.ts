import { TwoFactorConfigurationError, type MethodName } from '../errors/index.js';
import {
  assertName,
  expectFunction,
  expectInteger,
  withDefault,
  expectObject,
  refuseUnknown,
} from './validate.js';
import { assertNoFirstFactor, factorsPurpose } from './factors-purpose.js';
import { FACTORS_PURPOSE, type ConfiguredMethods } from './methods.js';
import { isName, NAME_RULE, formatValue, TTL_SECONDS } from './settings.js';
import type { PurposeDefinition } from './two-factor-options.interface.js';

const MEMBERS = [
  'open',
  'subject',
  'claimedSubject',
  'recipient',
  'senders',
  'methods',
  'firstFactor',
  'details',
  'detailsText',
  'ttlSeconds',
];

/** @throws TwoFactorConfigurationError; the message names the purpose, the member and the remedy. */
export function resolvePurposes(
  input: unknown,
  configured: ConfiguredMethods,
): ReadonlyMap<string, PurposeDefinition> {
  const purposes = new Map<string, PurposeDefinition>();
  for (const [name, value] of Object.entries(
    expectObject('Option purposes', withDefault(input, {})),
  )) {
    // The empty name declares the open purpose for requests without a purpose.
    if (name !== '') assertName('purpose', name);
    const given = expectObject(`Purpose ${formatPurposeName(name)}`, value) as PurposeDefinition;
    refuseUnknown(`member of purpose ${formatPurposeName(name)}:`, given, MEMBERS);
    const isOfFactors = name === FACTORS_PURPOSE && configured.size > 0;
    if (!isOfFactors) assertNoFirstFactor(name, given);
    const purpose = isOfFactors ? factorsPurpose(given, configured) : given;
    assertSubjectAndRecipient(name, purpose);
    assertClaimedSubject(name, purpose);
    const methods = resolvePurposeMethods(name, purpose, configured);
    expectFunction(`purposes.${name}.details`, purpose.details, undefined);
    expectFunction(`purposes.${name}.detailsText`, purpose.detailsText, undefined);
    const { ttlSeconds } = purpose;
    const { min, max } = TTL_SECONDS;
    if (ttlSeconds !== undefined)
      expectInteger(`purposes.${name}.ttlSeconds`, ttlSeconds, min, max);
    const senders = resolvePurposeSenders(name, purpose.senders);
    purposes.set(
      name,
      Object.freeze({ ...purpose, ...(senders && { senders }), ...(methods && { methods }) }),
    );
  }
  return purposes;
}

/** @throws TwoFactorConfigurationError unless the purpose is open, or has both a subject and a recipient. */
function assertSubjectAndRecipient(name: string, purpose: PurposeDefinition): void {
  const { subject, recipient } = purpose;
  const open: unknown = purpose.open;
  if (open !== undefined && open !== true) {
    throw new TwoFactorConfigurationError(
      `Option purposes.${name}.open is ${formatValue(open)}. Give true, or leave it out and give subject and recipient.`,
    );
  }
  expectFunction(`purposes.${name}.subject`, subject, undefined);
  if (recipient !== undefined && recipient !== 'client' && typeof recipient !== 'function') {
    throw new TwoFactorConfigurationError(
      `Option purposes.${name}.recipient is ${formatValue(recipient)}. Give a function, or 'client' where the client names the ` +
        'token.',
    );
  }
  const given = subject === undefined ? 'recipient' : 'subject';
  if (subject === undefined && recipient === undefined) return;
  if (name === '') {
    throw new TwoFactorConfigurationError(
      `Purpose ${formatPurposeName(name)} has a ${given}, and the purpose without a name is open. Give one with a name subject and ` +
        'recipient.',
    );
  }
  if (open) {
    throw new TwoFactorConfigurationError(
      `Purpose ${name} is open and has a ${given}. Leave open out and give subject and recipient, or leave both out.`,
    );
  }
  if (subject !== undefined && (recipient !== undefined || sendsNothing(purpose))) return;
  const lacks = subject === undefined ? 'subject' : 'recipient';
  throw new TwoFactorConfigurationError(
    `Purpose ${name} has a ${given} but no ${lacks}: a client could have the code for another user sent to itself. Give ` +
      "both (recipient: 'client' where the client names the token; no recipient where methods leave 'code' out), or open: true " +
      'alone for a purpose that proves the token and nothing else.',
  );
}

/** @throws TwoFactorConfigurationError for anything but `true` and `false`, and without a subject that could be claimed. */
function assertClaimedSubject(
  name: string,
  { subject, recipient, ...purpose }: PurposeDefinition,
): void {
  const claimedSubject: unknown = purpose.claimedSubject;
  if (claimedSubject === undefined || claimedSubject === false) return;
  const option = `Option purposes.${name}.claimedSubject`;
  if (claimedSubject !== true) {
    throw new TwoFactorConfigurationError(
      `${option} is ${formatValue(claimedSubject)}. Give true where an anonymous client names the subject, or leave it out.`,
    );
  }
  if (subject === undefined) {
    throw new TwoFactorConfigurationError(
      `${option} is true, and the purpose has no subject. Give it subject and recipient, or leave claimedSubject out.`,
    );
  }
  if (recipient === 'client') {
    throw new TwoFactorConfigurationError(
      `${option} is true, and the client also names where codes go: anybody would prove to be any person by a code to a mailbox of their ` +
        'own. Give a recipient function that finds the address of the claimed person, or leave claimedSubject out.',
    );
  }
}

/** A purpose that needs no recipient: its list of methods has no code, or its function chooses without one. */
function sendsNothing({ methods }: PurposeDefinition): boolean {
  if (methods === undefined) return false;
  return typeof methods === 'function' || !methods.includes('code');
}

/**
 * The methods of a purpose as its definition has them, a list frozen.
 *
 * @throws TwoFactorConfigurationError for methods that are not configured, or that would not prove what the purpose is for.
 */
function resolvePurposeMethods(
  name: string,
  { methods, subject, recipient, senders }: PurposeDefinition,
  configured: ConfiguredMethods,
): PurposeDefinition['methods'] {
  if (methods === undefined) return undefined;
  const option = `Option purposes.${name}.methods`;
  const names = ['code', ...configured.keys()];
  if (typeof methods !== 'function') {
    const given: unknown = methods;
    const isList = Array.isArray(given) && given.length > 0 && new Set(given).size === given.length;
    if (!isList) {
      throw new TwoFactorConfigurationError(
        `${option} is ${formatValue(given)}. Give a list of different names of methods, in order of preference, or a function ` +
          'that returns one.',
      );
    }
    const unknown = (given as unknown[]).find((each) => !names.includes(each as string));
    if (unknown !== undefined) {
      throw new TwoFactorConfigurationError(
        `${option} has ${formatValue(unknown)}, which is not configured. Add it to the option methods, or use one of ` +
          `${names.join(', ')}.`,
      );
    }
  }
  if (subject === undefined) {
    throw new TwoFactorConfigurationError(
      `Purpose ${formatPurposeName(name)} has methods but no subject, whose factors they would ask. Give it subject, or leave methods out.`,
    );
  }
  const isCodeAlone = typeof methods !== 'function' && methods.every((each) => each === 'code');
  if (recipient === 'client' && !isCodeAlone) {
    throw new TwoFactorConfigurationError(
      `Purpose ${name} proves a token that the client names, and only a code that is sent there does that. Leave methods ` +
        'out, or give recipient as a function.',
    );
  }
  if (senders !== undefined && typeof methods !== 'function' && !methods.includes('code')) {
    throw new TwoFactorConfigurationError(
      `Purpose ${name} has senders, and methods that send nothing. Leave senders out, or add 'code' to methods.`,
    );
  }
  return typeof methods === 'function' ? methods : Object.freeze([...(methods as MethodName[])]);
}

function resolvePurposeSenders(name: string, senders: unknown): readonly string[] | undefined {
  if (senders === undefined) return undefined;
  const isList = Array.isArray(senders) && senders.length > 0 && senders.every(isName);
  if (isList && new Set(senders).size === senders.length) return Object.freeze([...senders]);
  throw new TwoFactorConfigurationError(
    `Option purposes.${name}.senders is ${formatValue(senders)}. Give a list of different names of senders, each ${NAME_RULE}; ` +
      'leave it out for all senders.',
  );
}

function formatPurposeName(name: string): string {
  return name === '' ? "''" : name;
}

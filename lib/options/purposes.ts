import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  assertName,
  expectFunction,
  integer,
  withDefault,
  expectObject,
  refuseUnknown,
} from './validate.js';
import { isName, NAME_RULE, formatValue, TTL_SECONDS } from './settings.js';
import type { PurposeDefinition } from './two-factor-options.interface.js';

const MEMBERS = ['open', 'subject', 'recipient', 'senders', 'details', 'ttlSeconds'];

/** @throws TwoFactorConfigurationError; the message names the purpose, the member and the remedy. */
export function resolvePurposes(input: unknown): ReadonlyMap<string, PurposeDefinition> {
  const purposes = new Map<string, PurposeDefinition>();
  for (const [name, value] of Object.entries(
    expectObject('Option purposes', withDefault(input, {})),
  )) {
    // The empty name declares the open purpose for requests without a purpose.
    if (name !== '') assertName('purpose', name);
    const purpose = expectObject(`Purpose ${shown(name)}`, value) as PurposeDefinition;
    refuseUnknown(`member of purpose ${shown(name)}:`, purpose, MEMBERS);
    assertParties(name, purpose);
    expectFunction(`purposes.${name}.details`, purpose.details, undefined);
    const { ttlSeconds } = purpose;
    const { min, max } = TTL_SECONDS;
    if (ttlSeconds !== undefined) integer(`purposes.${name}.ttlSeconds`, ttlSeconds, min, max);
    const senders = resolveSendersOf(name, purpose.senders);
    purposes.set(name, Object.freeze({ ...purpose, ...(senders && { senders }) }));
  }
  return purposes;
}

/** @throws TwoFactorConfigurationError unless the purpose is open, or has both a subject and a recipient. */
function assertParties(name: string, purpose: PurposeDefinition): void {
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
      `Purpose ${shown(name)} has a ${given}, and the purpose without a name is open. Give one with a name subject and ` +
        'recipient.',
    );
  }
  if (open) {
    throw new TwoFactorConfigurationError(
      `Purpose ${name} is open and has a ${given}. Leave open out and give subject and recipient, or leave both out.`,
    );
  }
  if (subject !== undefined && recipient !== undefined) return;
  const lacks = subject === undefined ? 'subject' : 'recipient';
  throw new TwoFactorConfigurationError(
    `Purpose ${name} has a ${given} but no ${lacks}: a client could have the code for another user sent to itself. Give ` +
      "both (recipient: 'client' where the client names the token), or open: true alone for a purpose that proves the " +
      'token and nothing else.',
  );
}

function resolveSendersOf(name: string, senders: unknown): readonly string[] | undefined {
  if (senders === undefined) return undefined;
  const isList = Array.isArray(senders) && senders.length > 0 && senders.every(isName);
  if (isList && new Set(senders).size === senders.length) return Object.freeze([...senders]);
  throw new TwoFactorConfigurationError(
    `Option purposes.${name}.senders is ${formatValue(senders)}. Give a list of different names of senders, each ${NAME_RULE}; ` +
      'leave it out for all senders.',
  );
}

function shown(name: string): string {
  return name === '' ? "''" : name;
}

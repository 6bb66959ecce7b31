import type { Entry } from './entry.js';
import { factorEntries } from './factor-entries.js';
import { httpEntries } from './http-entries.js';
import { messageEntries } from './message-entries.js';
import { naiveEntries, naiveLiteralEntries } from './naive-entries.js';
import { passkeyEntries } from './passkey-entries.js';
import { serviceEntries } from './service-entries.js';
import { transportEntries } from './transport-entries.js';

/** Each runs in a process of its own. */
const OPEN: Readonly<Record<string, () => Promise<Entry[]>>> = {
  'the services and their messages': async () => [
    ...(await serviceEntries()),
    ...(await messageEntries()),
  ],
  'Express and Fastify': async () => [
    ...(await httpEntries('Express')),
    ...(await httpEntries('Fastify')),
  ],
  'the routes of the factors and the answers of providers': factorEntries,
  'microservices and GraphQL': transportEntries,
  'the responses of passkeys': passkeyEntries,
  'naive: an expression that is built from the token': naiveEntries,
  'naive: a literal that is not linear': naiveLiteralEntries,
};

/** @throws Error for a group that is not there. */
export async function openGroup(name: string): Promise<Entry[]> {
  const open = OPEN[name];
  if (open === undefined) throw new Error(`There is no group ${name}.`);
  return open();
}

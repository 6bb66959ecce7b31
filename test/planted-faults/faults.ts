import { FAULTS_OF_ADDRESSES } from './faults-of-addresses.js';
import { FAULTS_OF_DATABASES } from './faults-of-databases.js';
import { FAULTS_OF_NEST } from './faults-of-nest.js';
import { FAULTS_OF_PROOFS } from './faults-of-proofs.js';
import { FAULTS_OF_STRANGERS } from './faults-of-strangers.js';
import { FAULTS_OF_THE_REST } from './faults-of-the-rest.js';
import type { FaultList, PlantedFault } from './planted-fault.js';

function inOrder(...files: readonly (readonly PlantedFault[])[]): readonly PlantedFault[] {
  return files.flat().toSorted((one, other) => one.finding - other.finding);
}

/** Every list, with every fault. */
export const LISTS: readonly FaultList[] = [
  {
    name: 'security',
    title: 'A security review',
    origin: 'A review attacked the module from outside and read it from inside.',
    findings: [
      'A request blocks the event loop',
      'Strangers write text into messages',
      'Strangers lock out signed-in users',
      'One network uses up the messages of all users',
      'A proof is not bound to the way of its code',
      "A proof with `useIn: 'handler'` has several effects",
      'A guard guards nothing',
      'A right code of another token ends the failures',
      'Weak secrets boot',
      'Smaller ones: disclosure, spellings, counters, secrets, numbers, releases',
      'The sample application',
      'Pages that promise more than the code does',
      'Raw errors of the database with the default options',
    ],
    faults: inOrder(FAULTS_OF_STRANGERS, FAULTS_OF_PROOFS, FAULTS_OF_THE_REST),
  },
  {
    name: 'deployments',
    title: 'Situations of real deployments',
    origin:
      'Bug reports about comparable packages, and the pipes, mail servers, proxies, clusters and drivers that applications have, were ' +
      'tried on the module.',
    findings: [
      'Text outside of the character set of the database',
      'Options that depend on a request',
      'Pipes, interceptors, filters and serializers of the application',
      'Mail servers and international addresses',
      'Refusals of the database',
      'Read/write splitting proxies with a stale replica',
      'MySQL and MariaDB with the default limits',
      'Clusters and migrations of several instances',
      'Double clicks and reloads',
      'Pasted codes and numbers',
      'Reasons in the log and in problems',
      'Tests, schemas, parsers and mistakes of set-up',
      'Transports other than HTTP',
      'The party that is at fault',
      'Drivers and settings',
      'Two copies of the package in one process',
      'Headers, pools and HTML of mails',
      'One phone, one budget',
      'The language and the digits of the requester',
      'Platforms, poolers and environment files',
    ],
    faults: inOrder(FAULTS_OF_DATABASES, FAULTS_OF_NEST, FAULTS_OF_ADDRESSES),
  },
];

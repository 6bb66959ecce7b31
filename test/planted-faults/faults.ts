import type { PlantedFault } from './planted-fault.js';
import { FAULTS_OF_PROOFS } from './faults-of-proofs.js';
import { FAULTS_OF_STRANGERS } from './faults-of-strangers.js';
import { FAULTS_OF_THE_REST } from './faults-of-the-rest.js';

/** Every fault, in the order of the findings. */
export const FAULTS: readonly PlantedFault[] = [
  ...FAULTS_OF_STRANGERS,
  ...FAULTS_OF_PROOFS,
  ...FAULTS_OF_THE_REST,
].toSorted((one, other) => one.finding - other.finding);

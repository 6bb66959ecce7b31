import type { Scenario } from './round.js';
import { CODE_SCENARIOS } from './code-scenarios.js';
import { LIFE_SCENARIOS } from './life-scenarios.js';

export const SCENARIOS: readonly Scenario[] = [...CODE_SCENARIOS, ...LIFE_SCENARIOS];

// First, so that it counts from the beginning.
import { statementsSent } from '../measure/count-statements.js';
import { cpuProfile } from '../measure/cpu-profile.js';
import { cycle, newPerson } from '../measure/cycle.js';
import { load } from '../measure/load.js';
import { rssAfterGc, usage } from '../measure/usage.js';
import { serve } from '../process/serve.js';

/** @type {import('./contender.js').Contender} */
let contender;

serve({
  open: async (file, options) => {
    const { open } = await import(file);
    contender = await open(options);
  },
  load: (amount) => load(amount, (caller) => cycle(contender, caller)),
  make: () => contender.make(newPerson(), 0),
  confirm: (made, code) => contender.confirm(made, code),
  purge: () => contender.purge(),
  usage: () => usage(statementsSent()),
  rssAfterGc,
  startProfile: () => cpuProfile.start(),
  stopProfile: () => cpuProfile.stop(),
  close: () => contender?.close(),
});

// First, so that it counts from the beginning.
import { statementsSent } from '../measure/count-statements.js';
import { cpuProfile } from '../measure/cpu-profile.js';
import { usage } from '../measure/usage.js';
import { serve } from '../process/serve.js';

let server;

serve({
  listen: async (file, options) => {
    const { listen } = await import(file);
    server = await listen(options);
    return server.port;
  },
  usage: () => usage(statementsSent()),
  startProfile: () => cpuProfile.start(),
  stopProfile: () => cpuProfile.stop(),
  close: () => server?.close(),
});

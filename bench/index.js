// Node's own modules only, until everything is installed.
import { parseOptions } from './setup/options.js';
import { prepare } from './setup/prepare.js';

const options = parseOptions(process.argv.slice(2));
const pack = prepare();
const { run } = await import('./run.js');
await run(options, pack);

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const root = createRequire(new URL('../../package.json', import.meta.url));

/**
 * Imports a package from the root's `node_modules`, as the module in `dist` does. The main benchmark installs a second copy of Nest
 * and TypeORM in `bench/node_modules`; with that copy, an application could not resolve the classes that the module injects.
 */
export const importFromRoot = (name) => import(pathToFileURL(root.resolve(name)).href);

import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ROOT } from './read-source.js';

const API = fileURLToPath(new URL('../reference/api', import.meta.url));

/**
 * The reference of all exports, written by typedoc.
 *
 * @throws {Error} when typedoc warns, or an export has no page.
 */
export async function writeApi(source) {
  const { Application, Converter, LogLevel, ReflectionKind } = await import('typedoc');
  rmSync(API, { recursive: true, force: true });
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: source.entries.map(({ file }) => file),
    // With the front end, which the build compiles apart: its types are those of browsers.
    tsconfig: join(ROOT, 'docs/generate/tsconfig.json'),
    out: API,
    router: 'member',
    readme: 'none',
    logLevel: LogLevel.Warn,
    skipErrorChecking: true,
    excludeTags: ['@publicApi'],
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    sortEntryPoints: false,
    disableSources: true,
    disableGit: true,
    treatWarningsAsErrors: true,
    modifierTags: ['@publicApi', '@internal', '@override', '@readonly'],
    validation: {
      notExported: false,
      invalidLink: true,
      rewrittenLink: true,
      notDocumented: false,
      unusedMergeModuleWith: true,
    },
    hidePageHeader: true,
    hideBreadcrumbs: true,
    useCodeBlocks: true,
    sanitizeComments: true,
    useHTMLEncodedBrackets: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    // Which interface a member comes from is no use to a reader, and a fifth column does not fit on a tablet.
    tableColumnSettings: { hideOverrides: true, hideInherited: true },
    entryFileName: 'index',
  });
  // Nest calls most constructors, with arguments that are not public. Only errors and documented ones keep theirs. This must
  // happen before typedoc groups the members.
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const made of project.getReflectionsByKind(ReflectionKind.Constructor)) {
      const isDocumented = made.signatures?.some(({ comment }) => comment !== undefined);
      if (!isDocumented && !made.parent?.name.endsWith('Error')) project.removeReflection(made);
    }
  });
  const project = await app.convert();
  if (!project || app.logger.hasErrors() || app.logger.hasWarnings()) {
    throw new Error('typedoc reports faults in the docstrings; see above.');
  }
  // Modules are named by their import path, not by their file.
  for (const module of project.children ?? []) {
    const entry = source.entries.find(
      ({ file }) =>
        file === join(ROOT, 'lib', `${module.name}.ts`) ||
        file === join(ROOT, 'lib', module.name, 'index.ts'),
    );
    if (entry) module.name = entry.name;
  }
  await app.generateOutputs(project);
  if (app.logger.hasErrors()) throw new Error('typedoc could not write its pages.');
  assertComplete(source);
}

function assertComplete({ entries }) {
  const pages = new Set(
    readdirSync(API, { recursive: true }).map((path) =>
      path.replace(/^.*\//, '').replace(/\.md$/, ''),
    ),
  );
  const missing = entries.flatMap(({ name, exports }) =>
    exports.filter((symbol) => !pages.has(symbol)).map((symbol) => `${name}: ${symbol}`),
  );
  if (missing.length > 0 || !existsSync(join(API, 'index.md'))) {
    throw new Error(`These exports have no page in the API reference: ${missing.join(', ')}.`);
  }
}

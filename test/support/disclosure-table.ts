// The table of docs/threats.md that says route by route what an anonymous client sees of the methods of a person.
import { readFile } from 'node:fs/promises';

import { numberedSections } from './named-paths.js';

export interface DisclosureRow {
  /** Method and path, such as `POST /2factor/check`. */
  readonly route: string;
  /** Status and slug of each answer, such as `404 not-found`; a success has no slug. */
  readonly answers: readonly string[];
  readonly reason: string;
  readonly test: string;
}

const read = (name: string): Promise<string> =>
  readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

const quoted = (cell: string): string[] =>
  Array.from(cell.matchAll(/`([^`]+)`/g), ([, text]) => text!);

export async function disclosureTable(): Promise<readonly DisclosureRow[]> {
  const section = numberedSections(await read('docs/threats.md')).get('T22') ?? '';
  return Array.from(section.matchAll(/^\| `(\S+ \S+)` +\|(.*)\|(.*)\|(.*)\|$/gm), (match) => {
    const [, route, answers, reason, test] = match as unknown as [
      string,
      string,
      string,
      string,
      string,
    ];
    return { route, answers: quoted(answers), reason: reason.trim(), test: quoted(test)[0] ?? '' };
  });
}

/** Method and path of each route of an OpenAPI document. */
export function routesOf({ paths }: { readonly paths: Record<string, object> }): string[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

/** The routes that this package documents. */
export async function documentedRoutes(): Promise<string[]> {
  return routesOf(JSON.parse(await read('docs/openapi.json')) as { paths: Record<string, object> });
}

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import { format, resolveConfig } from 'prettier';
import { beforeAll, describe, expect, it } from 'vitest';

import { METHODS } from '../support/authenticator.js';
import { FACTORS } from '../support/factor-routes.js';
import { adapters, startHttpApp } from '../support/http.js';

/*
 * `docs/openapi.json` is the document of the bundled controller, for those who make a client of it. It is written by
 * `npm run openapi`, which is this file with --update.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE = `${ROOT}/docs/openapi.json`;

type Document = OpenAPIObject & Record<string, unknown>;

async function documentOn(adapter: (typeof adapters)[number]): Promise<OpenAPIObject> {
  const { version } = JSON.parse(await readFile(`${ROOT}/package.json`, 'utf8')) as {
    version: string;
  };
  // With methods and the purpose of their changes, so that the document has all routes.
  const app = await startHttpApp({
    adapter: adapter.create(),
    options: { controller: true, methods: METHODS, purposes: { factors: FACTORS } },
  });
  try {
    const base = new DocumentBuilder()
      .setTitle('nestjs-two-factor')
      .setDescription('The routes of the bundled controller, at its default path.')
      .setVersion(version)
      .setLicense('MIT', 'https://opensource.org/license/mit')
      .addTag('two-factor', 'Requests, confirms and tells of confirmations.')
      .build();
    return SwaggerModule.createDocument(app.app, base);
  } finally {
    await app.close();
  }
}

describe('docs/openapi.json', () => {
  let document: Document;

  beforeAll(async () => {
    document = { ...(await documentOn(adapters[0]!)) };
  });

  it.each(adapters)(
    'equals the document that @nestjs/swagger makes of the controller on $name',
    async (adapter) => {
      const options = await resolveConfig(FILE);
      const text = await format(JSON.stringify(await documentOn(adapter)), {
        ...options,
        parser: 'json',
      });
      await expect(text).toMatchFileSnapshot(FILE);
    },
  );

  it('is a valid OpenAPI document', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
  });

  it('is found invalid when a response has no description', async () => {
    const twin = structuredClone(document);
    twin.paths['/2factor/confirm']!.post!.responses = { 200: {} } as never;
    expect(await new Validator().validate(twin)).toMatchObject({ valid: false });
  });

  it('refers to nothing that it does not define, and defines nothing that is not referred to', () => {
    const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g) ?? [];
    const referred = references.map((each) => each.slice('#/components/schemas/'.length));
    const defined = Object.keys(document.components?.schemas ?? {});
    expect([...new Set(referred)].toSorted()).toStrictEqual(defined.toSorted());
  });
});

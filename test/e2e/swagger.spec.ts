import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { VersioningType } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Details } from '../support/details.js';
import { adapters, startHttpApp, type HttpTestApp } from '../support/http.js';

const MALFORMED = { 400: ['invalid-request'], 415: ['unsupported-media-type'] };
const UNKNOWN = { 404: ['not-found'] };
const ENDED = {
  409: ['already-confirmed', 'already-used', 'method-not-allowed'],
  410: ['expired', 'attempts-exhausted', 'cancelled', 'unknown-secret'],
};
const UNSENT = {
  422: ['recipient-not-allowed'],
  429: ['too-many-requests'],
  503: ['send-failed', 'temporarily-unavailable', 'out-of-service'],
};
const BUSY = { 503: ['temporarily-unavailable', 'out-of-service'] };

const ROUTES = {
  '/2factor/request-confirmation': {
    summary: 'Sends a code',
    body: 'TwoFactorRequestConfirmationBody',
    answer: 'TwoFactorRequestConfirmationAnswer',
    refusals: {
      ...MALFORMED,
      403: ['no-subject', 'no-method'],
      409: ['method-not-allowed'],
      ...UNSENT,
      422: ['no-recipient', ...UNSENT[422], 'idempotency-key-reused'],
    },
  },
  '/2factor/confirm': {
    summary: 'Confirms by the code',
    body: 'TwoFactorConfirmBody',
    answer: 'TwoFactorConfirmAnswer',
    refusals: {
      ...MALFORMED,
      ...UNKNOWN,
      ...ENDED,
      422: ['code-mismatch'],
      429: ['too-many-requests'],
      ...BUSY,
    },
  },
  '/2factor/challenge': {
    summary: 'Answers what the browser needs to confirm with a passkey',
    body: 'TwoFactorChallengeBody',
    answer: 'TwoFactorChallengeAnswer',
    refusals: { ...MALFORMED, ...UNKNOWN, ...ENDED, ...BUSY },
  },
  '/2factor/resend': {
    summary: 'Sends the code again, or for the first time after another method',
    body: 'TwoFactorResendBody',
    answer: 'TwoFactorRequestConfirmationAnswer',
    refusals: {
      ...MALFORMED,
      ...UNKNOWN,
      ...ENDED,
      ...UNSENT,
      410: [...ENDED[410], 'sender-removed'],
      422: ['no-recipient', ...UNSENT[422]],
    },
  },
  '/2factor/check': {
    summary: 'Tells where a confirmation is in its life',
    body: 'TwoFactorConfirmationIdBody',
    answer: 'TwoFactorCheckAnswer',
    refusals: { ...MALFORMED, ...UNKNOWN, ...BUSY },
  },
};

/** `?` behind what may be absent. */
const MEMBERS = {
  TwoFactorRequestConfirmationBody: ['token?', 'way?', 'purpose?', 'method?', 'details?'],
  TwoFactorRequestConfirmationAnswer: [
    'id',
    'expiresAt',
    'expiresIn',
    'resendAt?',
    'resendIn?',
    'attemptsLeft',
    'codeLength?',
    'maskedToken?',
    'method?',
    'methods?',
    'delivery?',
    'code?',
  ],
  TwoFactorConfirmBody: ['id', 'code?', 'method?', 'response?'],
  TwoFactorChallengeBody: ['id', 'method'],
  TwoFactorChallengeAnswer: [
    'rpId',
    'challenge',
    'timeout',
    'allowCredentials',
    'userVerification',
  ],
  TwoFactorConfirmAnswer: ['id', 'confirmed', 'code?'],
  TwoFactorConfirmationIdBody: ['id'],
  TwoFactorResendBody: ['id', 'way?'],
  TwoFactorCheckAnswer: [
    'id',
    'status',
    'attemptsLeft',
    'expiresAt',
    'expiresIn',
    'resendAt',
    'resendIn',
    'confirmedBy?',
    'delivery?',
    'deliveryError?',
  ],
  TwoFactorProblemAnswer: [
    'type',
    'title',
    'status',
    'error',
    'instance',
    'detail?',
    'attemptsLeft?',
    'retryAfter?',
    'methods?',
    'id?',
    'resendAt?',
  ],
};

interface Schema {
  readonly type: string;
  readonly required?: readonly string[];
  readonly properties: Record<
    string,
    { type?: unknown; description?: string; example?: unknown; enum?: readonly string[] }
  >;
}

describe.each(adapters)('The OpenAPI document on $name', ({ create }) => {
  let app: HttpTestApp;
  let document: OpenAPIObject;
  let schemas: Record<string, Schema>;

  beforeAll(async () => {
    app = await startHttpApp({
      adapter: create(),
      options: {
        controller: true,
        purposes: {
          '': { open: true },
          transfer: {
            subject: () => 'ann',
            recipient: () => 'ann@example.com',
            details: Details,
          },
        },
      },
    });
    document = documentOf(app);
    schemas = document.components?.schemas as unknown as Record<string, Schema>;
  });
  afterAll(() => app.close());

  it('lists each route once, without its twin that has a slash behind', () => {
    expect(Object.keys(document.paths).toSorted()).toStrictEqual(Object.keys(ROUTES).toSorted());
    for (const path of Object.values(document.paths)) expect(Object.keys(path)).toEqual(['post']);
  });

  it.each(Object.entries(ROUTES))(
    'says what %s takes, answers and refuses',
    (path, { summary, body, answer, refusals }) => {
      const operation = document.paths[path]?.post;
      expect(operation).toMatchObject({
        summary,
        tags: ['two-factor'],
        operationId: expect.stringMatching(/^TwoFactorController_[a-zA-Z]+$/) as string,
        parameters: ['request-confirmation', 'resend'].some((name) => path.endsWith(name))
          ? [expect.objectContaining({ in: 'header', name: 'Idempotency-Key', required: false })]
          : [],
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: `#/components/schemas/${body}` } } },
        },
      });
      const { 200: success, ...others } = (operation?.responses ?? {}) as Record<
        number,
        { content: Record<string, { schema: unknown; examples: Record<string, unknown> }> }
      >;
      expect(success?.content).toStrictEqual({
        'application/json': { schema: { $ref: `#/components/schemas/${answer}` } },
      });
      const documented = Object.entries(others).map(([status, { content }]) => {
        const problem = content['application/problem+json'];
        expect(problem?.schema).toStrictEqual({
          $ref: '#/components/schemas/TwoFactorProblemAnswer',
        });
        for (const [slug, example] of Object.entries(problem?.examples ?? {})) {
          expect(example).toMatchObject({ value: { status: Number(status), error: slug } });
        }
        return [status, Object.keys(problem?.examples ?? {})];
      });
      expect(Object.fromEntries(documented)).toStrictEqual(refusals);
    },
  );

  it('contains the schemas of the controller and no others', () => {
    expect(Object.keys(schemas).toSorted()).toStrictEqual(Object.keys(MEMBERS).toSorted());
  });

  it.each(Object.entries(MEMBERS))('describes every member of %s', (name, members) => {
    const schema = schemas[name];
    expect(schema?.type).toBe('object');
    const documented = Object.entries(schema?.properties ?? {}).map(([member, property]) => {
      expect(property.type).toMatch(/^(string|number|boolean|object|array)$/);
      expect(property.description).toMatch(/\.$/);
      return schema?.required?.includes(member) ? member : `${member}?`;
    });
    expect(documented).toStrictEqual(members);
  });

  it('lists the statuses of a confirmation', () => {
    expect(schemas['TwoFactorCheckAnswer']?.properties['status']?.enum).toStrictEqual([
      'pending',
      'confirmed',
      'used',
      'expired',
      'locked',
      'cancelled',
    ]);
  });

  it('gives examples that the routes accept', async () => {
    const schema = schemas['TwoFactorRequestConfirmationBody'];
    // The example's way is the reader's own. No purpose takes both a token and details of the client.
    const open = exampleOf(schema, 'way', 'purpose', 'method', 'details');
    const bound = exampleOf(schema, 'way', 'method', 'token');
    expect(open).toStrictEqual({ token: 'ann@example.com' });
    expect(bound).toStrictEqual({
      purpose: 'transfer',
      details: { amount: '10.00', payee: 'Bob' },
    });
    for (const request of [open, bound]) {
      const answer = await app.post('/2factor/request-confirmation', request);
      expect(answer).toMatchObject({ status: 200 });
    }
    const body = exampleOf(schemas['TwoFactorConfirmBody']);
    expect(await app.post('/2factor/confirm', body)).toBeProblem(404, 'not-found');
    const id = exampleOf(schemas['TwoFactorConfirmationIdBody']);
    expect(await app.post('/2factor/check', id)).toBeProblem(404, 'not-found');
  });

  it('follows a global prefix, a path and a version', async () => {
    const versioned = await startHttpApp({
      adapter: create(),
      options: { controller: { path: 'auth', version: '2' } },
      configure: (each) => {
        each.setGlobalPrefix('api');
        each.enableVersioning({ type: VersioningType.URI });
      },
    });
    try {
      expect(Object.keys(documentOf(versioned).paths).toSorted()).toStrictEqual([
        '/api/v2/auth/challenge',
        '/api/v2/auth/check',
        '/api/v2/auth/confirm',
        '/api/v2/auth/request-confirmation',
        '/api/v2/auth/resend',
      ]);
    } finally {
      await versioned.close();
    }
  });
});

describe('The package', () => {
  it('never imports @nestjs/swagger, which an application may not have', async () => {
    const lib = fileURLToPath(new URL('../../lib', import.meta.url));
    const entries = await readdir(lib, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ts'));
    expect(files.length).toBeGreaterThan(50);
    const importing = await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const text = await readFile(`${parentPath}/${name}`, 'utf8');
        return /(?:from|import|require)\s*\(?\s*['"]@nestjs\/swagger/.test(text) ? [name] : [];
      }),
    );
    expect(importing.flat()).toStrictEqual([]);
  });
});

function documentOf({ app }: HttpTestApp): OpenAPIObject {
  return SwaggerModule.createDocument(app, new DocumentBuilder().build());
}

function exampleOf(schema: Schema | undefined, ...without: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema?.properties ?? {})
      .filter(([member]) => !without.includes(member))
      .map(([member, { example }]) => [member, example]),
  );
}

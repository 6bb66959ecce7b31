import {
  ForbiddenException,
  Injectable,
  SetMetadata,
  ValidationPipe,
  VersioningType,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector, type AbstractHttpAdapter } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { tap, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';

import { TwoFactorModule, type TwoFactorModuleOptions } from '../../lib/index.js';
import { drawCanaryCode } from '../support/canaries.js';
import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';
import { SECRET } from '../support/test-app.js';
import { UNKNOWN_ID } from '../support/unknown-id.js';
import { ROUTES, header } from './controller-fixtures.js';

/** Starts an application, lets it be looked at, and ends it. */
async function withApp(
  input: Parameters<typeof startHttpApp>[0],
  look: (app: HttpTestApp) => Promise<void>,
): Promise<void> {
  const app = await startHttpApp(input);
  try {
    await look(app);
  } finally {
    await app.close();
  }
}

/** What the routes answer when they work, with and without a slash. */
const WORKING = ['', '/'].flatMap((slash) => [
  `200 request-confirmation${slash}`,
  `400 confirm${slash}`,
  `200 confirm${slash}`,
  `409 resend${slash}`,
  `200 check${slash}`,
]);

async function tour(app: HttpTestApp, path: string): Promise<string[]> {
  const stages: string[] = [];
  const post = async (route: string, body: unknown): Promise<unknown> => {
    const answer = await app.post(`${path}/${route}`, body);
    stages.push(`${answer.status} ${route}`);
    return answer.body;
  };
  for (const slash of ['', '/']) {
    const asked = await post(`request-confirmation${slash}`, { token: 'ann@example.com' });
    const { id } = asked as { id: string };
    await post(`confirm${slash}`, { id, code: 123456 });
    await post(`confirm${slash}`, { id, code: app.inbox.lastCode });
    await post(`resend${slash}`, { id });
    await post(`check${slash}`, { id });
  }
  return stages;
}

@Injectable()
class Doorman implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const password = this.reflector.get<string>('password', context.getClass());
    if (header(context, 'x-password') === password) return true;
    throw new ForbiddenException('Who are you?');
  }
}

@Injectable()
class Stopwatch implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const response = context
      .switchToHttp()
      .getResponse<{ header(name: string, value: string): unknown }>();
    return next.handle().pipe(tap(() => response.header('x-measured', 'yes')));
  }
}

describe.each(adapters)('The set-up of the controller on $name', ({ create }) => {
  it.each([
    ['absent', undefined],
    ['false', false],
  ])('registers nothing when it is %s', async (_, controller) => {
    await withApp({ adapter: create(), options: { controller } }, async (app) => {
      for (const route of ROUTES) {
        expect(await app.post(`/2factor/${route}`, {})).toMatchObject({ status: 404 });
      }
    });
  });

  it.each([
    ['true', true, '/2factor'],
    ['an object', {}, '/2factor'],
    ['a path', { path: 'api/v1/auth/2factor' }, '/api/v1/auth/2factor'],
    ['a path between slashes', { path: '/auth/' }, '/auth'],
  ])('serves a controller that is %s', async (_, controller, path) => {
    const adapter = create();
    await withApp({ adapter, options: { controller } }, async (app) => {
      expect(await tour(app, path)).toStrictEqual(WORKING);
    });
  });

  it('follows a global prefix and the version in the path', async () => {
    await withApp(
      {
        adapter: create(),
        options: { controller: { version: '2' } },
        configure: (app) => {
          app.setGlobalPrefix('api');
          app.enableVersioning({ type: VersioningType.URI });
        },
      },
      async (app) => {
        expect(await tour(app, '/api/v2/2factor')).toStrictEqual(WORKING);
        for (const path of ['/2factor', '/api/2factor', '/api/v1/2factor']) {
          expect(await app.post(`${path}/check`, {})).toMatchObject({ status: 404 });
        }
      },
    );
  });

  it('follows the version in a header', async () => {
    await withApp(
      {
        adapter: create(),
        options: { controller: { version: '2' } },
        configure: (app) =>
          app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
      },
      async (app) => {
        for (const slash of ['', '/']) {
          const path = `/2factor/check${slash}`;
          const body = { id: UNKNOWN_ID };
          expect(await app.post(path, body, { 'x-version': '2' })).toBeProblem(404, 'not-found');
          const other = await app.post(path, body, { 'x-version': '1' });
          expect(other).toMatchObject({ status: 404 });
          expect(other.headers['content-type']).toMatch(/^application\/json/);
        }
      },
    );
  });

  it('answers the code only while debugCodeResponse is on', async () => {
    const options = { controller: true, debugCodeResponse: true };
    await withApp({ adapter: create(), options, recorded: false }, async (app) => {
      const body = { token: 'ann@example.com' };
      const asked = await app.post('/2factor/request-confirmation', body);
      const { id } = asked.body as { id: string };
      const code = app.inbox.lastCode;
      const hasCode = (answer: Answer): boolean => (answer.body as { code?: string }).code === code;
      expect(hasCode(asked)).toBe(true);
      app.clock.advance(30);
      expect(hasCode(await app.post('/2factor/resend', { id }))).toBe(true);
      expect(Object.keys((await app.post('/2factor/check', { id })).body as object)).toStrictEqual([
        'id',
        'status',
        'attemptsLeft',
        'expiresAt',
        'expiresIn',
        'resendAt',
        'resendIn',
      ]);
      const confirmed = await app.post('/2factor/confirm', { id, code });
      expect(Object.keys(confirmed.body as object)).toStrictEqual(['id', 'confirmed', 'code']);
      expect(hasCode(confirmed)).toBe(true);
    });
  });

  it('is refused when its guards are misspelt, so that it would be open', async () => {
    const controller = { path: 'codes', guard: [Doorman] };
    await expect(
      withApp({ adapter: create(), options: { controller } }, async () => undefined),
    ).rejects.toThrow(
      'There is no member of controller: guard. Known: decorators, guards, interceptors, language, path, requestGuards, version.',
    );
  });

  it('runs guards, interceptors and decorators, and shares none with a second module', async () => {
    const second = TwoFactorModule.forRoot({
      secret: SECRET,
      isGlobal: false,
      autoPurge: false,
      codeGenerator: drawCanaryCode,
      senders: { default: { backend: () => () => undefined } },
      controller: { path: 'open' },
    });
    await withApp(
      {
        adapter: create(),
        imports: [second],
        options: {
          controller: {
            path: 'closed',
            guards: [Doorman],
            interceptors: [Stopwatch],
            decorators: [SetMetadata('password', 'sesame')],
          },
        },
      },
      async (app) => {
        const body = { token: 'ann@example.com' };
        for (const slash of ['', '/']) {
          const closed = `/closed/request-confirmation${slash}`;
          const refused = await app.post(closed, body);
          expect(refused).toMatchObject({ status: 403, body: { message: 'Who are you?' } });
          expect(refused.headers['cache-control']).toBe('no-store');
          const let_in = await app.post(closed, body, { 'x-password': 'sesame' });
          expect(let_in).toMatchObject({ status: 200, headers: { 'x-measured': 'yes' } });
          const open = await app.post(`/open/request-confirmation${slash}`, body);
          expect(open).toMatchObject({ status: 200 });
          expect(open.headers).not.toHaveProperty('x-measured');
        }
        expect(await app.call('/closed/check', { method: 'POST' })).toBeProblem(
          415,
          'unsupported-media-type',
        );
      },
    );
  });

  it('runs requestGuards on request-confirmation alone, after the guards of all routes', async () => {
    const seen: string[] = [];
    const noted = (name: string): CanActivate => ({
      canActivate: () => seen.push(name) > 0,
    });
    const controller = {
      guards: [noted('all')],
      requestGuards: [Doorman, noted('request')],
      decorators: [SetMetadata('password', 'sesame')],
    };
    await withApp({ adapter: create(), options: { controller } }, async (app) => {
      for (const slash of ['', '/']) {
        const path = `/2factor/request-confirmation${slash}`;
        const body = { token: 'ann@example.com' };
        const refused = await app.post(path, body);
        expect(refused).toMatchObject({ status: 403, body: { message: 'Who are you?' } });
        expect(app.inbox.deliveries).toHaveLength(slash === '' ? 0 : 2);
        expect(seen.splice(0)).toStrictEqual(['all']);

        const asked = await app.post(path, body, { 'x-password': 'sesame' });
        expect(asked).toMatchObject({ status: 200 });
        expect(seen.splice(0)).toStrictEqual(['all', 'request']);

        const { id } = asked.body as { id: string };
        app.clock.advance(30);
        for (const [route, more] of [
          ['resend', {}],
          ['check', {}],
          ['confirm', { code: app.inbox.lastCode }],
        ] as const) {
          const answer = await app.post(`/2factor/${route}${slash}`, { id, ...more });
          expect([route, answer.status]).toStrictEqual([route, 200]);
        }
        expect(seen.splice(0)).toStrictEqual(['all', 'all', 'all']);
      }
    });
  });

  it('shares requestGuards with no second module', async () => {
    const second = TwoFactorModule.forRoot({
      secret: SECRET,
      isGlobal: false,
      autoPurge: false,
      codeGenerator: drawCanaryCode,
      senders: { default: { backend: () => () => undefined } },
      controller: { path: 'open' },
    });
    const controller = {
      path: 'closed',
      requestGuards: [Doorman],
      decorators: [SetMetadata('password', 'sesame')],
    };
    await withApp(
      { adapter: create(), imports: [second], options: { controller } },
      async (app) => {
        const body = { token: 'ann@example.com' };
        const closed = await app.post('/closed/request-confirmation', body);
        const open = await app.post('/open/request-confirmation', body);
        expect([closed.status, open.status]).toStrictEqual([403, 200]);
      },
    );
  });

  it.each([
    ['a class that is undefined', [undefined]],
    ['an arrow function', [() => false]],
    ['an object without canActivate', [{}]],
    ['a class alone', Doorman],
  ])('is refused when guards or requestGuards are %s', async (_, guards) => {
    for (const member of ['guards', 'requestGuards']) {
      const options = { controller: { [member]: guards } } as unknown as TwoFactorModuleOptions;
      await expect(withApp({ adapter: create(), options }, async () => undefined)).rejects.toThrow(
        `The option controller.${member} is no list of guards`,
      );
    }
  });

  it.each<[string, (app: INestApplication) => unknown]>([
    ['none', () => undefined],
    [
      'a strict one with implicit conversion',
      (app) =>
        app.useGlobalPipes(
          new ValidationPipe({
            whitelist: true,
            forbidNonWhitelisted: true,
            transform: true,
            validateCustomDecorators: true,
            transformOptions: { enableImplicitConversion: true },
          }),
        ),
    ],
    [
      'one that refuses unknown values',
      (app) => app.useGlobalPipes(new ValidationPipe({ forbidUnknownValues: true })),
    ],
  ])('means the same under a global pipe: %s', async (_, configure) => {
    await withApp(
      { adapter: create(), options: { controller: true }, configure: (app) => void configure(app) },
      async (app) => {
        expect(await tour(app, '/2factor')).toStrictEqual(WORKING);
        const { id } = await app.request({ token: 'ann@example.com', extra: 'member' });
        const before = await app.row(id);
        for (const code of [123456, true, ['AAAAAAAA']]) {
          const answer = await app.post('/2factor/confirm', { id, code });
          expect(answer).toBeProblem(400, 'invalid-request');
        }
        expect(await app.row(id)).toStrictEqual(before);
      },
    );
  });
});

describe('The set-up of the controller on a Fastify that ignores slashes itself', () => {
  it.each([
    ['at the end', { ignoreTrailingSlash: true }],
    ['at the end, and doubled ones', { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true }],
    ['when they are doubled', { ignoreDuplicateSlashes: true }],
  ])('serves each path, with slashes ignored %s', async (_, routerOptions) => {
    const adapter = new FastifyAdapter({ routerOptions }) as unknown as AbstractHttpAdapter;
    const options = { controller: true };
    await withApp({ adapter, options }, async (app) => {
      expect(await tour(app, '/2factor')).toStrictEqual(WORKING);
    });
  });
});

import {
  BadGatewayException,
  ClassSerializerInterceptor,
  HttpException,
  Inject,
  Injectable,
  RequestTimeoutException,
  Scope,
  StandardSchemaSerializerInterceptor,
  StandardSchemaValidationPipe,
  ValidationPipe,
  VERSION_NEUTRAL,
  VersioningType,
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type ClassSerializerContextOptions,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
  Catch,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_INTERCEPTOR,
  APP_PIPE,
  BaseExceptionFilter,
  HttpAdapterHost,
  Reflector,
  REQUEST,
} from '@nestjs/core';
import { plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';
import { catchError, map, of, tap, throwError, timeout, TimeoutError, type Observable } from 'rxjs';

import { TwoFactorExceptionFilter, type ControllerOptions } from '../../lib/index.js';

/** One thing that an application does globally. */
export interface Global {
  readonly name: string;
  readonly configure?: (app: INestApplication) => void;
  readonly providers?: readonly Provider[];
}

const NONE: Global = { name: 'none' };

/** The pipe that Nest's documentation writes, which returns the instance that it built. */
class DocumentedPipe implements PipeTransform {
  async transform(value: unknown, { metatype }: ArgumentMetadata): Promise<unknown> {
    const types: unknown[] = [String, Boolean, Number, Array, Object];
    if (!metatype || types.includes(metatype)) return value;
    const instance = plainToInstance(metatype, value) as object;
    const errors = await validate(instance);
    if (errors.length > 0) throw new HttpException('Validation failed', 400);
    return instance;
  }
}

/** Rebuilds every value that a handler receives, whatever its type. */
class RebuildingPipe implements PipeTransform {
  constructor(private readonly leaf: (text: string) => unknown) {}

  transform(value: unknown): unknown {
    if (typeof value === 'string') return this.leaf(value);
    if (Array.isArray(value)) return value.map((each) => this.transform(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, this.transform(each)]),
    );
  }
}

@Injectable({ scope: Scope.REQUEST })
class RequestScopedPipe extends ValidationPipe {
  constructor(@Inject(REQUEST) readonly request: unknown) {
    super({ transform: true, validateCustomDecorators: true });
  }
}

const pipe = (name: string, ...pipes: PipeTransform[]): Global => ({
  name,
  configure: (app) => app.useGlobalPipes(...pipes),
});

export const PIPES: readonly Global[] = [
  NONE,
  pipe('ValidationPipe: transform', new ValidationPipe({ transform: true })),
  pipe(
    'ValidationPipe: transform, whitelist, forbidNonWhitelisted, enableImplicitConversion',
    new ValidationPipe({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      transformOptions: { enableImplicitConversion: true },
    }),
  ),
  pipe(
    'ValidationPipe: the same, validateCustomDecorators, forbidUnknownValues',
    new ValidationPipe({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      validateCustomDecorators: true,
      transformOptions: { enableImplicitConversion: true },
    }),
  ),
  pipe('the pipe of the documentation, by plainToInstance', new DocumentedPipe()),
  pipe('one that trims all texts', new RebuildingPipe((text) => text.trim())),
  pipe(
    'one that makes numbers of digits',
    new RebuildingPipe((text) => (/^\d+$/.test(text) ? Number(text) : text)),
  ),
  pipe(
    'StandardSchemaValidationPipe',
    new StandardSchemaValidationPipe({ validateCustomDecorators: true }),
  ),
  {
    name: 'APP_PIPE, request-scoped',
    providers: [{ provide: APP_PIPE, scope: Scope.REQUEST, useClass: RequestScopedPipe }],
  },
];

const mapping = (work: (answer: unknown) => unknown): NestInterceptor => ({
  intercept: (_, next) => next.handle().pipe(map(work)),
});

@Injectable()
class WrappingInterceptor implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

class CacheInterceptor implements NestInterceptor {
  readonly #answers = new Map<string, unknown>();

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method, url } = context.switchToHttp().getRequest<{ method: string; url: string }>();
    if (method !== 'GET') return next.handle();
    if (this.#answers.has(url)) return of(this.#answers.get(url));
    return next.handle().pipe(tap((answer) => this.#answers.set(url, answer)));
  }
}

const interceptor = (name: string, ...interceptors: NestInterceptor[]): Global => ({
  name,
  configure: (app) => app.useGlobalInterceptors(...interceptors),
});

export const INTERCEPTORS: readonly Global[] = [
  NONE,
  interceptor('a mapping to { data }', new WrappingInterceptor()),
  interceptor('a time-out', {
    intercept: (_, next) =>
      next.handle().pipe(
        timeout(600_000),
        catchError((error: unknown) =>
          throwError(() => (error instanceof TimeoutError ? new RequestTimeoutException() : error)),
        ),
      ),
  }),
  interceptor('a cache of GET', new CacheInterceptor()),
  interceptor(
    'null made empty',
    mapping((answer) => answer ?? ''),
  ),
  interceptor('errors that are no HttpException made 502', {
    intercept: (_, next) =>
      next
        .handle()
        .pipe(
          catchError((error: unknown) =>
            throwError(() => (error instanceof HttpException ? error : new BadGatewayException())),
          ),
        ),
  }),
  {
    name: 'APP_INTERCEPTOR, request-scoped, a mapping to { data }',
    providers: [{ provide: APP_INTERCEPTOR, scope: Scope.REQUEST, useClass: WrappingInterceptor }],
  },
];

class NothingExposed {}

const serializer = (name: string, options: ClassSerializerContextOptions): Global => ({
  name,
  configure: (app) =>
    app.useGlobalInterceptors(new ClassSerializerInterceptor(app.get(Reflector), options)),
});

const EMPTYING_SCHEMA = {
  '~standard': { version: 1, vendor: 'test', validate: () => ({ value: {} }) },
} as const;

export const SERIALIZERS: readonly Global[] = [
  NONE,
  serializer('ClassSerializerInterceptor', {}),
  serializer('ClassSerializerInterceptor: excludeAll', { strategy: 'excludeAll' }),
  serializer('ClassSerializerInterceptor: type, excludePrefixes, excludeExtraneousValues', {
    type: NothingExposed,
    excludePrefixes: ['i', 'c', 'e'],
    excludeExtraneousValues: true,
  }),
  {
    name: 'StandardSchemaSerializerInterceptor: a schema that leaves nothing',
    configure: (app) =>
      app.useGlobalInterceptors(
        new StandardSchemaSerializerInterceptor(app.get(Reflector), { schema: EMPTYING_SCHEMA }),
      ),
  },
  {
    name: "the adapter's: json replacer, setReplySerializer",
    configure: (app) => {
      const instance = app.getHttpAdapter().getInstance() as {
        set?: (name: string, value: unknown) => void;
        setReplySerializer?: (serialize: (answer: unknown) => string) => void;
      };
      if (instance.setReplySerializer) {
        instance.setReplySerializer((answer) => JSON.stringify(answer, null, 2));
      } else {
        instance.set?.('json spaces', 2);
        instance.set?.('json replacer', (_: string, value: unknown) => value ?? '');
      }
    },
  },
];

/** What the filters of the application have caught. */
export const caught: unknown[] = [];

/** The filter of Nest's documentation for errors of HTTP. */
@Catch(HttpException)
class HttpExceptionFilter implements ExceptionFilter<HttpException> {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: HttpException, host: ArgumentsHost): void {
    caught.push(exception);
    const statusCode = exception.getStatus();
    const body = { statusCode, timestamp: new Date().toISOString() };
    this.adapterHost.httpAdapter.reply(host.switchToHttp().getResponse(), body, statusCode);
  }
}

/** The catch-all filter of Nest's documentation. */
@Catch()
@Injectable()
class CatchEverythingFilter implements ExceptionFilter<unknown> {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    caught.push(exception);
    const statusCode = exception instanceof HttpException ? exception.getStatus() : 500;
    const body = { statusCode, timestamp: new Date().toISOString() };
    this.adapterHost.httpAdapter.reply(host.switchToHttp().getResponse(), body, statusCode);
  }
}

@Catch()
class ExtendingFilter extends BaseExceptionFilter {
  override catch(exception: unknown, host: ArgumentsHost): void {
    caught.push(exception);
    // oxlint-disable-next-line promise/valid-params -- It is the method of the filter.
    super.catch(exception, host);
  }
}

export const FILTERS: readonly Global[] = [
  NONE,
  {
    name: '@Catch(HttpException)',
    configure: (app) => app.useGlobalFilters(new HttpExceptionFilter(app.get(HttpAdapterHost))),
  },
  {
    name: '@Catch(), of the documentation',
    configure: (app) => app.useGlobalFilters(new CatchEverythingFilter(app.get(HttpAdapterHost))),
  },
  {
    name: '@Catch(), that extends BaseExceptionFilter',
    configure: (app) => app.useGlobalFilters(new ExtendingFilter(app.getHttpAdapter())),
  },
  {
    name: 'APP_FILTER, @Catch()',
    providers: [{ provide: APP_FILTER, useClass: CatchEverythingFilter }],
  },
  {
    name: 'TwoFactorExceptionFilter',
    configure: (app) =>
      app.useGlobalFilters(new TwoFactorExceptionFilter(app.get(HttpAdapterHost))),
  },
];

/** A prefix and a version, and where the routes are then. */
export interface Place extends Global {
  readonly version?: ControllerOptions['version'];
  /** The path and the headers of the bundled controller. */
  readonly path: string;
  readonly headers?: Record<string, string>;
  /** The prefix of routes without a version. */
  readonly prefix?: string;
}

export const PLACES: readonly Place[] = [
  { ...NONE, path: '/2factor' },
  {
    name: 'a prefix',
    path: '/api/2factor',
    prefix: '/api',
    configure: (app) => app.setGlobalPrefix('api'),
  },
  {
    name: 'a prefix with exceptions, a version in the path',
    version: '2',
    path: '/api/v2/2factor',
    prefix: '/api',
    configure: (app) => {
      app.setGlobalPrefix('api', { exclude: ['health'] });
      app.enableVersioning({ type: VersioningType.URI });
    },
  },
  {
    name: 'the default version in the path',
    path: '/v1/2factor',
    configure: (app) =>
      app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1', prefix: 'v' }),
  },
  {
    name: 'a version in a header',
    version: ['2', '3'],
    path: '/2factor',
    headers: { 'x-version': '3' },
    configure: (app) => app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
  },
  {
    name: 'a version in the media type',
    version: '2',
    path: '/2factor',
    headers: { accept: 'application/json;v=2' },
    configure: (app) => app.enableVersioning({ type: VersioningType.MEDIA_TYPE, key: 'v=' }),
  },
  {
    name: "a version by the application's function",
    version: '2',
    path: '/2factor',
    headers: { 'x-client': '2' },
    configure: (app) =>
      app.enableVersioning({
        type: VersioningType.CUSTOM,
        extractor: (request) =>
          (request as { headers: Record<string, string> }).headers['x-client'] ?? '',
      }),
  },
  {
    name: 'VERSION_NEUTRAL',
    version: VERSION_NEUTRAL,
    path: '/2factor',
    configure: (app) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
  },
];

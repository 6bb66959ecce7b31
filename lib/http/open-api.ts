import 'reflect-metadata';

/**
 * What @nestjs/swagger's decorators would leave, written without importing it: the document has our routes when it is
 * installed, and nothing of it is needed when it is not.
 */
const PREFIX = 'swagger/';

interface Schema {
  readonly type: unknown;
  readonly description: string;
  readonly example?: unknown;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly additionalProperties?: boolean;
}

/** A member of a body or an answer. */
export function ApiMember(schema: Schema & { readonly required?: boolean }): PropertyDecorator {
  return (target, property) => {
    const key = `${PREFIX}apiModelPropertiesArray`;
    const known = (Reflect.getMetadata(key, target) ?? []) as string[];
    Reflect.defineMetadata(key, [...known, `:${String(property)}`], target);
    Reflect.defineMetadata(
      `${PREFIX}apiModelProperties`,
      { required: true, ...schema },
      target,
      property,
    );
  };
}

/** One route: what it does, takes and answers. */
export function ApiRoute(route: {
  readonly summary: string;
  readonly body: unknown;
  readonly answer: unknown;
  readonly refusals: readonly number[];
}): MethodDecorator {
  return (_target, _property, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as object;
    const refusals = route.refusals.map((status) => [
      status,
      { description: REFUSALS[status] ?? '' },
    ]);
    Reflect.defineMetadata(`${PREFIX}apiOperation`, { summary: route.summary }, method);
    Reflect.defineMetadata(
      `${PREFIX}apiParameters`,
      [{ in: 'body', type: route.body, required: true }],
      method,
    );
    Reflect.defineMetadata(
      `${PREFIX}apiResponse`,
      { 200: { description: '', type: route.answer }, ...Object.fromEntries(refusals) },
      method,
    );
  };
}

/** Groups the routes of a controller. */
export function ApiGroup(name: string): ClassDecorator {
  return (target) => Reflect.defineMetadata(`${PREFIX}apiUseTags`, [name], target);
}

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'invalid-request',
  403: 'no-subject',
  404: 'not-found',
  409: 'already-confirmed, already-used',
  410: 'expired, attempts-exhausted, cancelled, unknown-key',
  415: 'unsupported-media-type',
  422: 'code-mismatch, recipient-not-allowed',
  429: 'too-many-requests, with Retry-After',
  503: 'send-failed, temporarily-unavailable, with Retry-After',
};

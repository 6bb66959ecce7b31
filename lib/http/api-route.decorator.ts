import { ProblemAnswer } from './dto/answers.dto.js';
import { PREFIX } from './open-api.js';
import { problem } from './problem.js';

/** The description of a header that a client may send. */
export interface HeaderDocument {
  readonly name: string;
  readonly description: string;
  readonly example: string;
}

/** The description of a route in an OpenAPI document. */
export interface RouteDocument {
  readonly summary: string;
  readonly body: unknown;
  readonly answer: unknown;
  readonly headers?: readonly HeaderDocument[];
  /** The error codes by HTTP status. */
  readonly refusals: Readonly<Record<number, readonly string[]>>;
}

/** Describes one route: its summary, body, response and errors. */
export function ApiRoute({
  summary,
  body,
  answer,
  headers = [],
  refusals,
}: RouteDocument): MethodDecorator {
  return (_target, _property, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as object;
    const responses = Object.entries(refusals).map(([status, slugs]) => [
      status,
      {
        description: slugs.join(', '),
        // A getter, because only an API document reads the examples.
        get content() {
          return problemContent(slugs);
        },
      },
    ]);
    Reflect.defineMetadata(`${PREFIX}apiOperation`, { summary }, method);
    Reflect.defineMetadata(
      `${PREFIX}apiParameters`,
      [
        { in: 'body', type: body, required: true },
        ...headers.map((header) => ({ in: 'header', type: String, required: false, ...header })),
      ],
      method,
    );
    Reflect.defineMetadata(
      `${PREFIX}apiResponse`,
      { 200: { description: 'Done.', type: answer }, ...Object.fromEntries(responses) },
      method,
    );
    Reflect.defineMetadata(`${PREFIX}apiExtraModels`, [ProblemAnswer], method);
  };
}

const EXAMPLE_INSTANCE = 'urn:uuid:0b54f3c2-9a1e-4a57-8a58-3d8d1f6d4c1e';

function problemContent(slugs: readonly string[]): Record<string, unknown> {
  const examples = slugs.map((slug) => [
    slug,
    { value: problem(slug, { instance: EXAMPLE_INSTANCE }) },
  ]);
  return {
    'application/problem+json': {
      schema: { $ref: `#/components/schemas/${ProblemAnswer.name}` },
      examples: Object.fromEntries(examples) as unknown,
    },
  };
}

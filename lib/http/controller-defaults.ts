import type { ClassSerializerContextOptions } from '@nestjs/common';

/**
 * A global serializer of the application (`ClassSerializerInterceptor`, `StandardSchemaSerializerInterceptor`) leaves the
 * answers of the bundled controllers as they are: one that excludes all members by default would answer `{}` after a code was
 * sent.
 */
export const SERIALIZE_ALL = {
  strategy: 'exposeAll',
  ignoreDecorators: true,
  excludePrefixes: [],
  type: undefined,
  schema: { '~standard': { version: 1, vendor: '', validate: (value: unknown) => ({ value }) } },
} as unknown as ClassSerializerContextOptions;

/** The errors of a malformed request, and of a database that does not answer, by status, for the OpenAPI document. */
export const COMMON_REFUSALS = {
  400: ['invalid-request'],
  415: ['unsupported-media-type'],
  503: ['temporarily-unavailable', 'out-of-service'],
};

/** The description of a member that is a time, for the OpenAPI document. */
export const TIME_SCHEMA = {
  type: String,
  format: 'date-time',
  example: '2026-11-22T12:00:00.000Z',
} as const;

/** An id of a confirmation or of a factor, for the OpenAPI document. */
export const ID_EXAMPLE = '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq3g';

/** A well-formed confirmation id that is in no table. */
export const UNKNOWN_ID = '06jk5q3v2o8s1g7h4n9t0c6m2e8p5r1vdq30';

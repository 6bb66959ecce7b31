const OURS = [false, true].flatMap((limits) =>
  [false, true].map((preparedStatements) => {
    const suffix = limits ? '-limits' : '';
    const how = preparedStatements ? 'prepared' : 'text';
    return {
      id: `ours-${how}${suffix}`,
      name: `ours, ${how}, ${limits ? 'default limits' : 'no limits'}`,
      file: './ours-on-mariadb.js',
      options: { limits, preparedStatements, join: false },
      ...(preparedStatements && { text: `ours-text${suffix}` }),
    };
  }),
);

/** The same as `ours-prepared`, with the calls that come at once in one statement. */
const BATCHED = [false, true].map((limits) => ({
  id: `ours-batched${limits ? '-limits' : ''}`,
  name: `ours, batched, ${limits ? 'default limits' : 'no limits'}`,
  file: './ours-on-mariadb.js',
  options: { limits, preparedStatements: true, join: true },
}));

/**
 * The contenders on MariaDB; the first one is what the others are compared with. `text`: the id of the same that prepares
 * nothing.
 *
 * @type {readonly (import('./service.js').Entry & { text?: string })[]}
 */
export const MARIADB = [
  { id: 'floor', name: 'floor: hand-written `mysql2`', file: './floor-on-mariadb.js' },
  ...OURS,
  ...BATCHED,
].map((entry) => ({ ...entry, isOnOurTable: true, isOnMariadb: true }));

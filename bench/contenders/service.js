/**
 * The contenders of the service level; the first one is what the others are compared with. `file` is opened in a process of its own.
 *
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} name
 * @property {string} file
 * @property {object} [options]
 * @property {boolean} [isOnOurTable] its database is a copy of the migrated one
 * @property {boolean} [isOnMariadb] its database is one of MariaDB, and not of PostgreSQL
 * @property {boolean} [needsRedis] it talks to that, and not to PostgreSQL
 * @property {boolean} [isLeftOutByQuick]
 */

/** @type {readonly Entry[]} */
export const SERVICE = [
  { id: 'floor', name: 'floor: hand-written `pg`', file: './floor.js', isOnOurTable: true },
  {
    id: 'floor-again',
    name: 'the same again: the noise',
    file: './floor.js',
    isOnOurTable: true,
    isLeftOutByQuick: true,
  },
  {
    id: 'floor-limits',
    name: 'floor + limits',
    file: './floor-with-limits.js',
    isOnOurTable: true,
  },
  ...[false, true].flatMap((limits) =>
    [false, true].map((join) => ({
      id: `ours${join ? '-joined' : ''}${limits ? '-limits' : ''}`,
      name: `ours, ${join ? 'joined' : 'not joined'}, ${limits ? 'default limits' : 'no limits'}`,
      file: './ours.js',
      options: { join, limits },
      isOnOurTable: true,
    })),
  ),
  { id: 'better-auth', name: 'better-auth email-otp', file: './better-auth.js' },
  { id: 'tutorial', name: 'tutorial: TypeORM `save`', file: './tutorial.js' },
  {
    id: 'redis',
    name: 'tutorial: Redis, `appendfsync always`',
    file: './redis.js',
    needsRedis: true,
  },
];

/** Some of them. @param {...string} ids */
export function serviceEntries(...ids) {
  return ids.map((wanted) => SERVICE.find(({ id }) => id === wanted));
}

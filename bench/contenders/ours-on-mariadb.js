// First, so that it counts from the beginning.
import '../measure/count-mysql-statements.js';
import { open as openOurs } from './ours.js';

/**
 * The package on MariaDB or MySQL.
 *
 * @param {{ url: string, limits: boolean, preparedStatements: boolean, join: boolean }} options
 */
export function open(options) {
  return openOurs({ ...options, type: 'mariadb' });
}

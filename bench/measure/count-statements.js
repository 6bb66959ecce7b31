import { Redis } from 'ioredis';
import { Connection } from 'pg';

let count = 0;

/** All that this process has had a server do, BEGIN and COMMIT included: every contender uses this one `pg`. */
export function statementsSent() {
  return count;
}

// Of a prepared statement, and of a text: several may go in one go.
counted(Connection.prototype, 'execute');
counted(Connection.prototype, 'query');
counted(Redis.prototype, 'sendCommand');

/** Has a driver's method count too. */
export function counted(prototype, method) {
  const original = prototype[method];
  prototype[method] = function (...args) {
    count += 1;
    return original.apply(this, args);
  };
}

import { Redis } from 'ioredis';
import { Client } from 'pg';

let count = 0;

/** All that this process has sent to a server, BEGIN and COMMIT included: every contender uses this one `pg`. */
export function statementsSent() {
  return count;
}

counted(Client.prototype, 'query');
counted(Redis.prototype, 'sendCommand');

/** Has a driver's method count too. */
export function counted(prototype, method) {
  const original = prototype[method];
  prototype[method] = function (...args) {
    count += 1;
    return original.apply(this, args);
  };
}

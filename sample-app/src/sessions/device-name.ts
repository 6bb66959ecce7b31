import type { HttpRequest } from '../http/http.js';

const NOT_PRINTABLE = /[^\x20-\x7e]/g;
const MAX_DEVICE = 120;

/** In this order: most browsers claim to be others too. */
const BROWSERS = ['Edg', 'OPR', 'Firefox', 'Chrome', 'Safari'] as const;
const NAMES: Readonly<Record<string, string>> = { Edg: 'Edge', OPR: 'Opera' };
const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS X', 'Linux'] as const;

/** What the browser of a request says that it is, such as `Chrome on Linux`. Only its owner reads it. */
export function deviceOf({ headers }: HttpRequest): string {
  const agent = headers['user-agent'] ?? 'Unknown';
  const browser = BROWSERS.find((each) => agent.includes(`${each}/`));
  const system = SYSTEMS.find((each) => agent.includes(each));
  if (browser !== undefined && system !== undefined) {
    return `${NAMES[browser] ?? browser} on ${system}`;
  }
  return agent.replace(NOT_PRINTABLE, ' ').slice(0, MAX_DEVICE);
}

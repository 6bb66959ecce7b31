import type { Settings } from '../settings.js';
import type { HttpRequest, HttpResponse } from './http.js';
import { problemOf, sendProblem, type Problem } from './problem.js';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const JSON_TYPE = /^application\/json(?:;|$)/i;

const CROSS_SITE = problemOf(403, 'cross-site', 'This request came from another site.');
const NOT_JSON = problemOf(415, 'unsupported-media-type', 'Send application/json.');

/**
 * Refuses every state-changing request that a page of another site makes a browser send (CSRF). The session cookie is
 * `SameSite=Strict` too, but SameSite lets a neighbouring subdomain through, and it does not protect the requests that need
 * no cookie yet: signing a victim in to the attacker's account is an attack as well.
 */
export function refuseCrossSite(settings: Settings) {
  return (request: HttpRequest, response: HttpResponse, next: () => void): void => {
    const refusal = refusalOf(request, settings);
    if (refusal === null) next();
    else sendProblem(response, refusal);
  };
}

function refusalOf(request: HttpRequest, settings: Settings): Problem | null {
  if (SAFE_METHODS.has(request.method)) return null;
  if (!isSameOrigin(request, settings)) return CROSS_SITE;
  // A form can be sent to any site without asking that site first. JSON cannot.
  return hasBody(request) && !JSON_TYPE.test(request.headers['content-type'] ?? '')
    ? NOT_JSON
    : null;
}

/**
 * Every current browser sends `Sec-Fetch-Site` over HTTPS, and every browser of the last years sends `Origin` with a
 * state-changing request. A client with neither is no browser and has no cookies of a person to misuse.
 */
function isSameOrigin({ headers, host }: HttpRequest, { publicOrigin }: Settings): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const origin = headers['origin'];
  if (origin === undefined) return true;
  if (publicOrigin !== undefined) return origin === publicOrigin;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function hasBody({ headers }: HttpRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

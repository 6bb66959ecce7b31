import type { Settings } from '../settings.js';
import type { HttpRequest, HttpResponse } from './http.js';

const STRICT = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Swagger UI has styles and images inside its page. It exists in development only. */
const SWAGGER = STRICT.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
  "img-src 'self'",
  "img-src 'self' data:",
);

const HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  // For browsers that do not know frame-ancestors.
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  // Pages of other sites get no handle on our windows and cannot embed our answers.
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** Only our own files run in our pages, no page frames them, and no cache keeps an answer about a person. */
export function securityHeaders({ isDevelopment }: Settings) {
  return ({ path }: HttpRequest, response: HttpResponse, next: () => void): void => {
    const isSwagger = isDevelopment && /^\/api\/?$/.test(path);
    response.setHeader('Content-Security-Policy', isSwagger ? SWAGGER : STRICT);
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (!isDevelopment) response.setHeader('Strict-Transport-Security', 'max-age=31536000');
    if (isPersonal(path)) response.setHeader('Cache-Control', 'no-store');
    next();
  };
}

/** Routes match in upper case as well, so this must too. */
function isPersonal(path: string): boolean {
  return /^\/(?:api|inbox|deliveries)(?:\/|$)/i.test(path);
}

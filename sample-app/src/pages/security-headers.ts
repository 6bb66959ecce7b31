import type { HttpRequest, HttpResponse } from '../sessions/http.js';

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

/** Swagger UI brings styles and images inside of its page. */
const SWAGGER = STRICT.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
  "img-src 'self'",
  "img-src 'self' data:",
);

/** Nothing but our own files runs in our pages, and nobody frames them. */
export function securityHeaders(
  { path }: HttpRequest & { readonly path: string },
  response: HttpResponse,
  next: () => void,
): void {
  response.setHeader('Content-Security-Policy', /^\/api\/?$/.test(path) ? SWAGGER : STRICT);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  next();
}

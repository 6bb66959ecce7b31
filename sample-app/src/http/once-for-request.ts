import type { HttpRequest } from './http.js';

/** A look-up whose result is remembered for a request: guards, purposes and routes ask for the same row. */
export function onceForRequest<T>(
  find: (request: HttpRequest) => Promise<T>,
): (request: HttpRequest) => Promise<T> {
  const found = new WeakMap<HttpRequest, Promise<T>>();
  return (request) => {
    const known = found.get(request);
    if (known !== undefined) return known;
    const result = find(request);
    found.set(request, result);
    return result;
  };
}

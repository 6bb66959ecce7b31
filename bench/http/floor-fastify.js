import { fastify } from 'fastify';

import { openSteps } from './floor-steps.js';
import { userOf } from './user-of.js';

const text = { type: 'string', minLength: 1, maxLength: 255 };
const body = (...names) => ({
  schema: {
    body: {
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, text])),
      required: names,
    },
  },
});

/** The floor over HTTP: Fastify with what `pg` says, and nothing between them. */
export async function listen(options) {
  const steps = await openSteps(options);
  const server = fastify();
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers -- this is not Express
  server.post('/2factor/request-confirmation', body('purpose'), async (request) =>
    steps.request(userOf(request)),
  );
  server.post('/2factor/confirm', body('id', 'code'), async (request, reply) => {
    const [status, answer] = await steps.confirm(userOf(request), request.body);
    reply.status(status);
    return answer;
  });
  server.post('/pay', body('amount', 'payee'), async (request, reply) => {
    const [status, answer] = await steps.pay(userOf(request), request.headers['x-confirmation-id']);
    reply.status(status);
    return answer;
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.server.address();
  const close = async () => {
    await server.close();
    await steps.close();
  };
  return { port, close };
}

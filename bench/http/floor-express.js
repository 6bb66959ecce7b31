// Express 5 handles what async handlers reject with.
/* oxlint-disable oxc/no-async-endpoint-handlers */
import express from 'express';

import { openSteps } from './floor-steps.js';
import { userOf } from './user-of.js';

/** The same on Express. */
export async function listen(options) {
  const steps = await openSteps(options);
  const application = express();
  application.use(express.json());
  application.post('/2factor/request-confirmation', wants('purpose'), async (request, response) => {
    response.json(await steps.request(userOf(request)));
  });
  application.post('/2factor/confirm', wants('id', 'code'), async (request, response) => {
    const [status, answer] = await steps.confirm(userOf(request), request.body);
    response.status(status).json(answer);
  });
  application.post('/pay', wants('amount', 'payee'), async (request, response) => {
    const [status, answer] = await steps.pay(userOf(request), request.headers['x-confirmation-id']);
    response.status(status).json(answer);
  });
  const server = application.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await steps.close();
  };
  return { port: server.address().port, close };
}

function wants(...names) {
  return ({ body }, response, next) => {
    const isText = (name) => typeof body[name] === 'string' && body[name].length <= 255;
    if (names.every(isText)) next();
    else response.status(400).json({ error: 'invalid-request' });
  };
}

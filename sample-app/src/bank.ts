import { fileURLToPath } from 'node:url';

import type { NestApplicationOptions } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

import { AppModule } from './app.module.js';
import { wellFormed } from './http/well-formed.js';
import { refuseCrossSite } from './http/cross-site.js';
import { securityHeaders } from './http/security-headers.js';
import type { Settings } from './settings.js';

/** The QR code of an authenticator app is drawn in the browser, so that its secret goes to no other place. */
const QR_LIBRARY = fileURLToPath(new URL('.', import.meta.resolve('uqr')));

/** The client and the element `<two-factor-code>`, which the pages load without a bundler. */
const CLIENT = fileURLToPath(new URL('.', import.meta.resolve('nestjs-two-factor/client')));

const PUBLIC = fileURLToPath(new URL('../public', import.meta.url));

/**
 * The whole application, ready to listen.
 *
 * @param clientFolder where the scripts of `nestjs-two-factor/client` are.
 */
export async function createBank(
  settings: Settings,
  options: NestApplicationOptions = {},
  clientFolder = CLIENT,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.register(settings), {
    ...options,
    bodyParser: false,
    abortOnError: false,
  });
  app.disable('x-powered-by');
  // Without a setting nothing is trusted: the client's address is the address of the connection.
  if (settings.trustProxy !== undefined) app.set('trust proxy', settings.trustProxy);
  app.use(securityHeaders(settings));
  // Before the body is read: a refused request costs nothing more.
  app.use(refuseCrossSite(settings));
  app.useBodyParser('json', { limit: '16kb', reviver: wellFormed });
  app.useStaticAssets(PUBLIC);
  app.useStaticAssets(QR_LIBRARY, { prefix: '/vendor/uqr', index: false });
  app.useStaticAssets(clientFolder, { prefix: '/vendor/two-factor', index: false });
  app.enableShutdownHooks();
  // A description of every route is for developers. An attacker needs it more than a customer.
  if (settings.isDevelopment) addSwagger(app);
  return app;
}

function addSwagger(app: NestExpressApplication): void {
  const description = new DocumentBuilder()
    .setTitle('Sample Bank')
    .setDescription('The sample application of nestjs-two-factor.')
    .addCookieAuth('session')
    .build();
  SwaggerModule.setup('api', app, () => SwaggerModule.createDocument(app, description));
}

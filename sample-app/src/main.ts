import 'reflect-metadata';

import { fileURLToPath } from 'node:url';

import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';

import { AppModule } from './app.module.js';
import { securityHeaders } from './pages/security-headers.js';
import { settings } from './settings.js';

const app = await NestFactory.create<NestExpressApplication>(AppModule, { bodyParser: false });
// JSON alone: forms of other sites' pages are not even read.
app.useBodyParser('json', { limit: '16kb' });
app.disable('x-powered-by');
app.use(securityHeaders);
app.useStaticAssets(fileURLToPath(new URL('../public', import.meta.url)));
app.enableShutdownHooks();

const description = new DocumentBuilder()
  .setTitle('Sample Bank')
  .setDescription('The sample application of nestjs-two-factor.')
  .addCookieAuth('session')
  .build();
SwaggerModule.setup('api', app, () => SwaggerModule.createDocument(app, description));

await app.listen(settings.port, settings.host);
const url = new URL(await app.getUrl());
const logger = new Logger('SampleBank');
logger.log(`Open ${url.origin}/`);
logger.log(`Swagger UI: ${url.origin}/api`);
if (settings.hasInbox) logger.log(`E-mails and text messages: ${url.origin}/inbox`);

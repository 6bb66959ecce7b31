import 'reflect-metadata';

import { Logger } from '@nestjs/common';

import { createBank } from './bank.js';
import { readSettings } from './settings.js';

const settings = readSettings(process.env);
const app = await createBank(settings);
await app.listen(settings.port, settings.host);

const { origin } = new URL(await app.getUrl());
const logger = new Logger('SampleBank');
logger.log(`Open ${origin}/`);
if (settings.isDevelopment) {
  logger.log(`Swagger UI: ${origin}/api`);
  logger.log(`Deliveries: ${origin}/deliveries`);
}
if (settings.hasInbox) logger.log(`E-mails and text messages: ${origin}/inbox`);

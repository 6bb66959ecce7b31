import 'reflect-metadata';
import { randomBytes } from 'node:crypto';

import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ConfirmerService, digits, TwoFactorModule } from 'nestjs-two-factor';

import { CODE } from '../measure/cycle.js';
import { POOL_SIZE, PURPOSE } from './contender.js';
import { joinOption } from './joins.js';

const LOGGED = ['fatal', 'error', 'warn'];

/**
 * The package in a Nest application.
 *
 * @param {{ url: string, type?: 'postgres' | 'mariadb', join: boolean, limits: boolean, preparedStatements?: boolean }} options
 * @returns {Promise<import('./contender.js').Contender & { purge: () => Promise<number> }>}
 */
export async function open({ url, type = 'postgres', join, limits, preparedStatements = true }) {
  const module = applicationModule(type, url, {
    preparedStatements,
    ...joinOption(join),
    ...(limits ? {} : { limits: false }),
  });
  const application = await NestFactory.createApplicationContext(module, {
    logger: LOGGED,
    abortOnError: false,
  });
  const confirmer = application.get(ConfirmerService);
  return {
    make: async ({ subject, token }) => {
      const { id } = await confirmer.makeConfirmation({ purpose: PURPOSE, subject, token });
      return { id, subject };
    },
    confirm: async ({ id }, code) => (await confirmer.confirm(id, code))[1],
    use: ({ id, subject }) => confirmer.use(id, { purpose: PURPOSE, subject }),
    purge: () => confirmer.purge(),
    close: () => application.close(),
  };
}

const draw = digits(6);

/** What the package draws, and then the code that everybody here knows. */
export function drawKnownCode() {
  void draw();
  return CODE;
}

function applicationModule(type, url, options) {
  class ApplicationModule {}
  Module({
    imports: [
      TypeOrmModule.forRoot({
        type,
        url,
        poolSize: POOL_SIZE,
        autoLoadEntities: true,
        retryAttempts: 0,
      }),
      TwoFactorModule.forRoot({
        secret: randomBytes(32).toString('base64'),
        codeGenerator: drawKnownCode,
        ...options,
      }),
    ],
  })(ApplicationModule);
  return ApplicationModule;
}

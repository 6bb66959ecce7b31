import 'reflect-metadata';

import {
  Body,
  Controller,
  Headers,
  HttpCode,
  HttpException,
  Inject,
  Module,
  Post,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { IsString, MaxLength, MinLength } from 'class-validator';

import { openSteps } from './floor-steps.js';

const STEPS = 'STEPS';

/** A class of texts, each checked as our bodies are. */
function bodyOf(...names) {
  class TextBody {}
  for (const name of names) {
    for (const check of [IsString(), MinLength(1), MaxLength(255)]) check(TextBody.prototype, name);
  }
  return new ValidationPipe({ expectedType: TextBody });
}

const RequestPipe = bodyOf('purpose');
const ConfirmPipe = bodyOf('id', 'code');
const PayPipe = bodyOf('amount', 'payee');

class ByHandController {
  constructor(steps) {
    this.steps = steps;
  }

  request(_body, subject) {
    return this.steps.request(subject);
  }

  async confirm(body, subject) {
    return answered(await this.steps.confirm(subject, body));
  }

  async pay(_body, subject, id) {
    return answered(await this.steps.pay(subject, id));
  }
}

function answered([status, answer]) {
  if (status >= 400) throw new HttpException(answer, status);
  return answer;
}

function route(name, path, pipe) {
  const { prototype } = ByHandController;
  const method = Object.getOwnPropertyDescriptor(prototype, name);
  for (const decorate of [Post(path), HttpCode(200)]) decorate(prototype, name, method);
  Body(pipe)(prototype, name, 0);
  Headers('x-user')(prototype, name, 1);
  Headers('x-confirmation-id')(prototype, name, 2);
}
route('request', '2factor/request-confirmation', RequestPipe);
route('confirm', '2factor/confirm', ConfirmPipe);
route('pay', 'pay', PayPipe);
Inject(STEPS)(ByHandController, undefined, 0);
Controller()(ByHandController);

/** The floor behind Nest on Fastify, as its users write it: what Nest costs, and not we. */
export async function listen(options) {
  const steps = await openSteps(options);
  class ApplicationModule {}
  Module({
    controllers: [ByHandController],
    providers: [{ provide: STEPS, useValue: steps }],
  })(ApplicationModule);
  const application = await NestFactory.create(ApplicationModule, new FastifyAdapter(), {
    logger: ['fatal', 'error', 'warn'],
    abortOnError: false,
    forceCloseConnections: true,
  });
  await application.listen(0, '127.0.0.1');
  const { port } = application.getHttpServer().address();
  const close = async () => {
    await application.close();
    await steps.close();
  };
  return { port, close };
}

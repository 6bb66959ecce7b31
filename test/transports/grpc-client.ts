import { fileURLToPath } from 'node:url';

import { credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Transport, type MicroserviceOptions } from '@nestjs/microservices';

import type { Problem } from '../../lib/index.js';
import type { Outcome, TransportClient } from './guarded-transport.js';

const PROTO = fileURLToPath(new URL('transfers.proto', import.meta.url));
const LOADER = { keepCase: true, defaults: false };

export const SERVICE = 'Bank';

export function grpcOptions(port: number): MicroserviceOptions {
  return {
    transport: Transport.GRPC,
    options: {
      package: 'bank',
      protoPath: PROTO,
      url: `127.0.0.1:${port}`,
      loader: LOADER,
    },
  };
}

interface Stub {
  close(): void;
  [method: string]: (
    call: object,
    metadata: Metadata,
    answer: (error: ServiceError | null, value?: { value: string }) => void,
  ) => NodeJS.EventEmitter | void;
}

/** A client of grpc-js itself, so that the answers are what every gRPC client receives. */
export function overGrpc(port: number, user?: string): TransportClient {
  const { bank } = loadPackageDefinition(loadSync(PROTO, LOADER)) as unknown as {
    bank: Record<string, new (address: string, secure: unknown) => Stub>;
  };
  const stub = new bank[SERVICE]!(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  if (user !== undefined) metadata.set('x-user', user);
  return {
    close: () => stub.close(),
    call: (route, body) =>
      new Promise<Outcome>((resolve) => {
        if (route === 'watched') {
          const stream = stub[route]!.call(stub, body, metadata, () => undefined)!;
          stream.on('data', ({ value }: { value: string }) => resolve({ value, wire: value }));
          stream.on('error', (error: ServiceError) => resolve(refused(error)));
          return;
        }
        stub[route]!.call(stub, body, metadata, (error, answer) =>
          resolve(error ? refused(error) : { value: answer?.value, wire: answer }),
        );
      }),
  };
}

function refused(error: ServiceError): Outcome {
  const [text = '{}'] = error.metadata.get('two-factor-problem');
  const { code, details, metadata } = error;
  const problem = JSON.parse(String(text)) as Partial<Problem>;
  return { problem, wire: { code, details, metadata: metadata.getMap() } };
}

// The client of nestjs-two-factor, which the element of the page uses as well.

import { createTwoFactorClient } from './vendor/two-factor/index.js';

export const client = createTwoFactorClient({ url: '/api/v1/auth/2factor' });

import { Connection } from 'mysql2';

import { counted } from './count-statements.js';

// Apart from the others: who talks to PostgreSQL need not hold another driver in memory.
counted(Connection.prototype, 'query');
counted(Connection.prototype, 'execute');

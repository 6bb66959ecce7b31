import type { DataSource } from 'typeorm';

/** Lets the database itself write down each charged attempt, whatever the application believes. */
export async function installAttemptTrigger(dataSource: DataSource): Promise<void> {
  await dataSource.query('CREATE TABLE attempt_log (confirmation varchar(36))');
  for (const sql of TRIGGERS[dataSource.options.type] ?? SQLITE) await dataSource.query(sql);
}

export async function loggedAttempts(dataSource: DataSource, id: string): Promise<number> {
  const rows: { attempts: string | number }[] = await dataSource.query(
    `SELECT count(*) AS attempts FROM attempt_log WHERE confirmation = '${id}'`,
  );
  return Number(rows[0]?.attempts);
}

const SQLITE = [
  `CREATE TRIGGER log_attempt AFTER UPDATE OF attempts ON two_factor_confirmation
   WHEN NEW.attempts <> OLD.attempts BEGIN INSERT INTO attempt_log VALUES (NEW.id); END`,
];

const MYSQL = [
  `CREATE TRIGGER log_attempt AFTER UPDATE ON two_factor_confirmation FOR EACH ROW
   IF NEW.attempts <> OLD.attempts THEN INSERT INTO attempt_log VALUES (NEW.id); END IF`,
];

const TRIGGERS: Readonly<Record<string, readonly string[]>> = {
  postgres: [
    `CREATE FUNCTION log_attempt() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN INSERT INTO attempt_log VALUES (NEW.id); RETURN NEW; END $$`,
    `CREATE TRIGGER log_attempt AFTER UPDATE ON two_factor_confirmation FOR EACH ROW
     WHEN (NEW.attempts IS DISTINCT FROM OLD.attempts) EXECUTE FUNCTION log_attempt()`,
  ],
  mariadb: MYSQL,
  mysql: MYSQL,
};

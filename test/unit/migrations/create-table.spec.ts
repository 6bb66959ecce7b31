import { Column, DataSource, DefaultNamingStrategy, Entity, PrimaryColumn } from 'typeorm';
import { expect, it } from 'vitest';

import { createTable, type ColumnDefinitions } from '../../../lib/migrations/create-table.js';

/** An entity that has changed since its migration was released: one column has another name, one is new, and one is gone. */
@Entity('later')
class LaterRecord {
  @PrimaryColumn({ name: 'renamed_id', type: 'int' })
  id!: number;

  @Column({ name: 'added_since', type: 'int', nullable: true })
  added!: number | null;
}

const RELEASED: ColumnDefinitions = {
  id: { name: 'first_id', type: 'int', isPrimary: true },
  gone: { name: 'gone_since', type: 'int', isNullable: true },
};

class Suffixed extends DefaultNamingStrategy {
  override columnName(property: string, custom: string | undefined, prefixes: string[]): string {
    return `${super.columnName(property, custom ?? '', prefixes)}_x`;
  }
}

it.each([
  { named: 'the default names', options: {}, expected: ['first_id', 'gone_since'] },
  {
    named: 'a naming strategy',
    options: { namingStrategy: new Suffixed() },
    expected: ['first_id_x', 'gone_since_x'],
  },
])('creates the table as it was released when the entity has changed, by $named', async (given) => {
  const dataSource = new DataSource({ type: 'sqljs', entities: [LaterRecord], ...given.options });
  await dataSource.initialize();
  try {
    const queryRunner = dataSource.createQueryRunner();
    await createTable(queryRunner, LaterRecord, RELEASED, [
      { properties: ['gone'], isUnique: false },
    ]);
    const table = await queryRunner.getTable('later');

    expect(table?.columns.map(({ name }) => name)).toEqual(given.expected);
    expect(table?.indices.map(({ columnNames }) => columnNames)).toEqual([[given.expected[1]]]);
  } finally {
    await dataSource.destroy();
  }
});

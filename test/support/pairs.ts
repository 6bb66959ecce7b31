/**
 * Rows in which every pair of values of two different columns is together at least once. A fault that shows only when two
 * things meet is found by far fewer rows than all combinations.
 *
 * @param sizes how many values each column has.
 * @returns the numbers of the values, one row each.
 */
export function pairwise(sizes: readonly number[]): number[][] {
  const missing = new Set<string>();
  const key = (a: number, va: number, b: number, vb: number): string => `${a}:${va} ${b}:${vb}`;
  for (const [a, sizeA] of sizes.entries()) {
    for (const [b, sizeB] of sizes.entries()) {
      if (b <= a) continue;
      for (let va = 0; va < sizeA; va += 1) {
        for (let vb = 0; vb < sizeB; vb += 1) missing.add(key(a, va, b, vb));
      }
    }
  }
  const rows: number[][] = [];
  for (const first of missing) {
    const row: (number | undefined)[] = sizes.map(() => undefined);
    for (const part of first.split(' ')) {
      const [column = 0, value = 0] = part.split(':').map(Number);
      row[column] = value;
    }
    for (const [column, size] of sizes.entries()) {
      if (row[column] !== undefined) continue;
      const gains = Array.from({ length: size }, (_, value) => {
        const pairs = row.filter((other, at) => {
          if (other === undefined) return false;
          return missing.has(
            at < column ? key(at, other, column, value) : key(column, value, at, other),
          );
        });
        return pairs.length;
      });
      row[column] = gains.indexOf(Math.max(...gains));
    }
    const full = row as number[];
    for (const [a, va] of full.entries()) {
      for (const [b, vb] of full.entries()) if (b > a) missing.delete(key(a, va, b, vb));
    }
    rows.push(full);
  }
  return rows;
}

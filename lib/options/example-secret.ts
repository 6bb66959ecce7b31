/** The secret of the documentation's examples. The module refuses it, because it is public. */
export const EXAMPLE_SECRET = 'ZXhhbXBsZS1vZi10aGUtZG9jcy1ub3QtYS1zZWNyZXQh';

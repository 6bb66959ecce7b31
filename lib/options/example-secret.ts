/** The secret that the documentation shows. The module refuses it, since everybody can read it. */
export const EXAMPLE_SECRET = 'ZXhhbXBsZS1vZi10aGUtZG9jcy1ub3QtYS1zZWNyZXQh';

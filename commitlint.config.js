/** The subject is an imperative with the observable effect: `fix(database): release references of finished mutex entries`. */
export default {
  extends: ['@commitlint/config-conventional'],
  rules: {
    'header-max-length': [2, 'always', 120],
    'body-max-line-length': [2, 'always', 120],
    'subject-case': [0],
  },
};

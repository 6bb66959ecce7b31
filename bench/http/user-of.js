/** Who is signed in. The client says it by itself: an application's own sign-in is not what is measured. */
export function userOf({ headers }) {
  return headers['x-user'];
}

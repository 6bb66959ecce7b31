/** Whether both types are the same, `any` told apart from all others. */
// oxlint-disable typescript/no-unnecessary-type-parameters
type Same<One, Other> =
  (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
// oxlint-enable typescript/no-unnecessary-type-parameters

export function same<One, Other>(answer: Same<One, Other>): boolean {
  return answer;
}

export function searchForCodes(
  folder: string,
): Promise<{ codes: number; lines: number; found: string[] }>;

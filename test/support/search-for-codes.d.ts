export function searchForCodes(folder: string): { codes: number; lines: number; found: string[] };

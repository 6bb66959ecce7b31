import type { Errors, House, OptionsTable } from './house.js';

export const COPIES: Readonly<Record<string, string>>;
export function writePages(house: House): void;
export function optionsPage(tables: readonly OptionsTable[]): string;
export function errorsPage(errors: Errors): string;

import type { Errors, Source, OptionsTable } from './read-source.js';

export const COPIES: Readonly<Record<string, string>>;
export function writePages(source: Source): void;
export function optionsPage(tables: readonly OptionsTable[]): string;
export function errorsPage(errors: Errors): string;
export function slugPages(errors: Errors, text?: string): [path: string, text: string][];

// Lets Node load @rocket.chat/rest-typings, which is published for bundlers: modules in files that do not say so,
// imported without their endings.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const TYPINGS = '/@rocket.chat/rest-typings/dist/';

/** Adds the ending that is missing. */
export function resolve(specifier, context, next) {
  if (!context.parentURL?.includes(TYPINGS)) {
    return next(specifier, context);
  }
  if (!specifier.startsWith('.')) {
    return next(specifier === 'ajv/dist/2020' ? `${specifier}.js` : specifier, context);
  }
  const candidates = ['.js', '/index.js'].map((ending) => new URL(specifier + ending, context.parentURL));
  const found = candidates.find((candidate) => existsSync(fileURLToPath(candidate)));
  return found ? { url: found.href, shortCircuit: true } : next(specifier, context);
}

/** Says that the files are modules. */
export async function load(url, context, next) {
  if (!url.includes(TYPINGS)) {
    return next(url, context);
  }
  return { format: 'module', source: await readFile(fileURLToPath(url)), shortCircuit: true };
}

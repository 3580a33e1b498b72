// What the JavaScript programs share: reporting a check in one line, naming the server, and writing down what was said
// to it, for the validators to look at afterwards.

import { appendFileSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

export const url = process.env.ROLEKEEPER_URL;
export const administrator = { username: process.env.ROLEKEEPER_USERNAME, password: process.env.ROLEKEEPER_PASSWORD };
const recording = process.env.ROLEKEEPER_RECORDING;

/** One check: it passed if nothing is thrown within. Returns what `check` returns; undefined when it failed. */
export async function step(what, check) {
  try {
    const result = await check();
    console.log(`ok ${what}`);
    return result;
  } catch (error) {
    console.log(`failed ${what}: ${oneLine(error)}`);
    return undefined;
  }
}

function oneLine(error) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
  return String(text).replace(/\s+/g, ' ');
}

/** Whether it is what it must be. */
export function same(found, wanted) {
  if (!isDeepStrictEqual(found, wanted)) {
    throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
  }
}

/** Appends one request and its answer to the recording. */
export function record({ address, body, ...exchange }) {
  const { pathname, searchParams } = new URL(address);
  const request = { path: pathname, query: Object.fromEntries(searchParams), body: body ? JSON.parse(body) : null };
  appendFileSync(recording, `${JSON.stringify({ ...exchange, ...request })}\n`);
}

/** Everything that was recorded so far. */
export function recorded() {
  return readFileSync(recording, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
}

/** The endpoint of a recorded request, for instance `roles.list`. */
export function endpointOf({ path }) {
  return path.replace('/api/v1/', '');
}

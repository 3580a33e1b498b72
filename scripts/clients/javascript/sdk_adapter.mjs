// @rocket.chat/sdk, the client that bots are made with, as the story wants a client. It has one log-in for the whole
// process. A refusal it only prints, and answers with nothing, unless it is told which errors do not count.

import { createRequire } from 'node:module';

import { record, url } from './steps.mjs';

process.env.ROCKETCHAT_URL = url;
const { api } = createRequire(import.meta.url)('@rocket.chat/sdk');

// The client takes an error for none when this does not match it.
const NOTHING = /(?!)/;

for (const method of ['get', 'post']) {
  const send = api.client[method].bind(api.client);
  api.client[method] = (address, options, heard) => send(address, options, (answer, response) => {
    const { statusCode: status, headers } = response;
    const text = Buffer.isBuffer(answer) ? answer.toString() : JSON.stringify(answer);
    const body = options.data && JSON.stringify(options.data);
    const contentType = headers['content-type'];
    record({ client: 'sdk', method: method.toUpperCase(), address, body, status, contentType, answer: text });
    heard(answer, response);
  });
}

/** The client. */
export const client = {
  async login(credentials) {
    if (api.loggedIn()) {
      await api.logout();
    }
    return api.login(credentials);
  },
  get: (endpoint, query) => answered(endpoint, api.get(endpoint, query, true, NOTHING)),
  post: (endpoint, body) => answered(endpoint, api.post(endpoint, body, true, NOTHING)),
  visit: (endpoint, body) => answered(endpoint, api.post(endpoint, body, false, NOTHING)),
  logout: () => api.logout(),
};

/** Asks as somebody would who writes a bot: what is refused comes back as nothing. */
export function postAsABotWould(endpoint, body) {
  return api.post(endpoint, body);
}

async function answered(endpoint, asked) {
  const answer = await asked;
  if (answer === undefined) {
    throw new Error(`the client has no answer to ${endpoint}`);
  }
  return answer;
}

// @rocket.chat/api-client, the client of the original's own web application, as the story wants a client. It rejects
// with the whole response when a request is refused.

import { File } from 'node:buffer';

import { RestClient } from '@rocket.chat/api-client';

import { record, url } from './steps.mjs';

// The client is made for browsers, which have it; Node has it everywhere since version 20.
globalThis.File ??= File;

const send = globalThis.fetch;
globalThis.fetch = async (address, options) => {
  const response = await send(address, options);
  const answer = await response.clone().text();
  const contentType = response.headers.get('content-type');
  const { method, body } = options;
  record({ client: 'api-client', method, address, body, status: response.status, contentType, answer });
  return response;
};

/** Makes a client. */
export function makeClient() {
  return new ApiClient();
}

class ApiClient {
  rest = new RestClient({ baseUrl: url });

  async login({ username, password }) {
    this.rest.setCredentials(undefined);
    const answer = await this.post('login', { user: username, password });
    if (answer.data) {
      this.rest.setCredentials({ 'X-User-Id': answer.data.userId, 'X-Auth-Token': answer.data.authToken });
    }
    return answer;
  }

  get(endpoint, parameters) {
    return this.rest.get(`/v1/${endpoint}`, parameters).catch(bodyOfRefusal);
  }

  post(endpoint, body) {
    return this.rest.post(`/v1/${endpoint}`, body).catch(bodyOfRefusal);
  }

  visit(endpoint, body) {
    return new RestClient({ baseUrl: url }).post(`/v1/${endpoint}`, body).catch(bodyOfRefusal);
  }

  async logout() {
    await this.post('logout', {});
    this.rest.setCredentials(undefined);
  }
}

async function bodyOfRefusal(refusal) {
  // Anything but a response is trouble on the way.
  if (!(refusal instanceof Response)) {
    throw refusal;
  }
  const text = await refusal.text();
  if (refusal.headers.get('content-type') !== 'application/json') {
    throw new Error(`status ${refusal.status}: ${text}`);
  }
  return JSON.parse(text);
}

// What the JavaScript clients make of a limited rate: the eleventh request to one route within a window is refused
// with 429. Each client uses up a route of its own, because a window belongs to the address that all of them share.

import { makeClient } from './api_client_adapter.mjs';
import { client as sdk } from './sdk_adapter.mjs';
import { administrator, same, step } from './steps.mjs';

const ALLOWED = 10;
const carol = { username: 'js-carol', password: 'a password' };

const apiClient = makeClient();
await apiClient.login(administrator);
await apiClient.post('users.create', { ...carol, email: 'js-carol@example.org', name: 'Carol' });
await apiClient.login(carol);
await sdk.login(carol);

await step('api-client: answer as many requests as are allowed', async () => {
  for (let request = 0; request < ALLOWED; request += 1) {
    same((await apiClient.get('permissions.listAll')).success, true);
  }
});
await step('api-client: refuse the next one with 429 and the limit in its headers', async () => {
  const refusal = await apiClient.rest.get('/v1/permissions.listAll').catch((response) => response);
  const { headers } = refusal;
  same([refusal.status, headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')], [429, '10', '0']);
  same(Number(headers.get('x-ratelimit-reset')) > Date.now(), true);
  same((await refusal.json()).error.endsWith('[error-too-many-requests]'), true);
});
await step('sdk: answer as many requests as are allowed', async () => {
  for (let request = 0; request < ALLOWED; request += 1) {
    same((await sdk.get('me')).success, true);
  }
});
await step('sdk: refuse the next one', async () => {
  const answer = await sdk.get('me');
  same([answer.success, answer.error.endsWith('[error-too-many-requests]')], [false, true]);
});
await step('not limit who may bypass it', async () => {
  await apiClient.login(administrator);
  for (let request = 0; request <= ALLOWED; request += 1) {
    same((await apiClient.get('permissions.listAll')).success, true);
  }
});

// The story with @rocket.chat/api-client, and what is this client's own: how it rejects.

import { makeClient } from './api_client_adapter.mjs';
import { administrator, same, step } from './steps.mjs';
import { tell } from './story.mjs';

const client = makeClient();

await step('refuse a log-in with a wrong password', async () => {
  const answer = await client.login({ username: administrator.username, password: 'wrong' });
  same([answer.status, answer.message], ['error', 'Unauthorized']);
});
await tell(client, 'ac');
await step('be a stranger after the log-out: the client rejects with the response', async () => {
  const refusal = await client.rest.get('/v1/me').catch((response) => response);
  same([refusal.status, (await refusal.json()).message], [401, 'You must be logged in to do this.']);
});

// The story with @rocket.chat/sdk, and what is this client's own: it swallows refusals.

import { client, postAsABotWould } from './sdk_adapter.mjs';
import { administrator, same, step } from './steps.mjs';
import { tell } from './story.mjs';

await step('refuse a log-in with a wrong password', async () => {
  const outcome = await client.login({ username: administrator.username, password: 'wrong' }).catch((error) => error);
  same(outcome instanceof Error, true);
});
await step('a refusal is one to a bot, too', async () => {
  await client.login(administrator);
  same(await postAsABotWould('roles.delete', { roleId: 'admin' }), undefined);
});
await tell(client, 'sdk');

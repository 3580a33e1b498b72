// What Rocket.Chat publishes about its own wire, held against ours: every answer that the clients before this program
// were given, and our judgement of good and bad requests.

import { checkAnswers } from './answers.mjs';
import { checkRecordedRequests, compareRequests } from './requests.mjs';
import { administrator, url } from './steps.mjs';

const account = {
  credentials: {},
  async logIn() {
    const response = await fetch(`${url}/api/v1/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: administrator.username, password: administrator.password }),
    });
    const { userId, authToken } = (await response.json()).data;
    this.credentials = { 'x-user-id': userId, 'x-auth-token': authToken };
  },
};

await checkAnswers();
await checkRecordedRequests();
await account.logIn();
await compareRequests(account);

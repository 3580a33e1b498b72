// Orders to MongoDB for the run itself: `initiate <port>` makes a server a replica set of one member and waits until it
// takes writes; `drop <url>` removes a database.

import { setTimeout as pause } from 'node:timers/promises';

import { MongoClient } from 'mongodb';

const SET = 'rs0';
const WAIT_MILLISECONDS = 60_000;
const LOOK_EVERY_MILLISECONDS = 50;

const orders = {
  async initiate(port) {
    await connected(`mongodb://127.0.0.1:${port}/?directConnection=true`, async (client) => {
      const admin = client.db('admin');
      await admin.command({ replSetInitiate: { _id: SET, members: [{ _id: 0, host: `127.0.0.1:${port}` }] } });
      const deadline = Date.now() + WAIT_MILLISECONDS;
      while (!(await admin.command({ hello: 1 })).isWritablePrimary) {
        if (Date.now() > deadline) {
          throw new Error('the replica set has no primary');
        }
        await pause(LOOK_EVERY_MILLISECONDS);
      }
    });
  },
  drop: (url) => connected(url, (client) => client.db().dropDatabase()),
};

async function connected(url, order) {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: WAIT_MILLISECONDS });
  try {
    await order(client);
  } finally {
    await client.close();
  }
}

const [order, argument] = process.argv.slice(2);
await orders[order](argument);

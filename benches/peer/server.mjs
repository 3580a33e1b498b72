// Parse Server with as little as it needs, quiet and without what the comparison does not use.
import express from 'express';
import { ParseServer } from 'parse-server';

const { PEER_DATABASE, PEER_KEY, PEER_PORT } = process.env;
const server = new ParseServer({
  databaseURI: PEER_DATABASE,
  appId: 'bench',
  masterKey: PEER_KEY,
  masterKeyIps: ['127.0.0.1', '::1', '::ffff:127.0.0.1'],
  serverURL: `http://127.0.0.1:${PEER_PORT}/parse`,
  allowClientClassCreation: false,
  silent: true,
  logsFolder: null,
});
await server.start();
const app = express();
app.use('/parse', server.app);
app.listen(Number(PEER_PORT), '127.0.0.1');

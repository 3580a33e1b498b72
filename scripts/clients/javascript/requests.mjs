// Compares the judgement of Rocket.Chat's published request validators with ours: what clients sent and we took, they
// take; and for each endpoint a request that is in order is spoilt in every simple way, judged by the validator and
// sent here.

import { administrator, endpointOf, recorded, same, step, url } from './steps.mjs';
import { objections, typings } from './typings.mjs';

// Nothing of this name is there, so that no request changes anything by succeeding.
const NOBODY = 'validators-nobody';
const taken = { username: administrator.username, email: 'validators@example.org', name: 'Nobody' };
const inRoom = { roomId: NOBODY, userId: NOBODY };

// Judged as the validators do, word for word.
const alike = {
  'roles.delete': ['isRoleDeleteProps', { roleId: NOBODY }],
  'roles.addUserToRole': ['isRoleAddUserToRoleProps', { username: NOBODY, roleId: NOBODY, roomId: NOBODY }],
  'roles.removeUserFromRole': [
    'isRoleRemoveUserFromRoleProps',
    { username: NOBODY, roleId: NOBODY, roomId: NOBODY, scope: NOBODY },
  ],
  'roles.getUsersInRole': [
    'isRolesGetUsersInRoleProps',
    { role: NOBODY, roomId: NOBODY, count: '5', offset: '0' },
    'GET',
  ],
  'users.create': [
    'isUserCreateParamsPOST',
    { ...taken, password: 'a password', active: true, roles: [NOBODY], customFields: {}, verified: true },
  ],
  'users.register': ['isUserRegisterParamsPOST', { ...taken, pass: 'a password', reason: 'none' }],
  'users.update': ['isUsersUpdateParamsPOST', { userId: NOBODY, data: { name: 'Nobody' }, confirmRelinquish: true }],
  'users.setActiveStatus': [
    'isUserSetActiveStatusParamsPOST',
    { userId: NOBODY, activeStatus: true, confirmRelinquish: true },
  ],
  'users.logout': ['isUserLogoutParamsPOST', { userId: NOBODY }],
  'users.deactivateIdle': ['isUserDeactivateIdleParamsPOST', { daysIdle: 30_000, role: NOBODY }],
};

// These endpoints have looked at their parameters one by one for years, in texts of their own, and been read
// leniently: we refuse nothing for its shape that the newer validators take.
const accepted = {
  'users.info': ['isUsersInfoParamsGetProps', { username: NOBODY }, 'GET'],
  'users.list': ['isUsersListParamsGET', { count: '5', offset: '0' }, 'GET'],
  'settings.public': ['isSettingsPublicWithPaginationProps', { count: '5', offset: '0', _id: 'Site_Name' }, 'GET'],
  'channels.create': ['isChannelsCreateProps', { name: 'validators-plaza', members: [], readOnly: false }],
  'channels.roles': ['isChannelsRolesProps', { roomId: NOBODY }, 'GET'],
  'channels.moderators': ['isChannelsModeratorsProps', { roomId: NOBODY }, 'GET'],
  'channels.delete': ['isChannelsDeleteProps', { roomId: NOBODY }],
  'channels.kick': ['isChannelsKickProps', inRoom],
  'rooms.info': ['isRoomsInfoProps', { roomId: NOBODY }, 'GET'],
  'groups.create': ['isGroupsCreateProps', { name: 'validators-cabinet', members: [], readOnly: false }],
  'groups.roles': ['isGroupsRolesProps', { roomId: NOBODY }, 'GET'],
  'groups.moderators': ['isGroupsModeratorsProps', { roomId: NOBODY }, 'GET'],
  'groups.addOwner': ['isGroupsAddOwnerProps', inRoom],
  'groups.removeOwner': ['isGroupsRemoveOwnerProps', inRoom],
  'groups.addModerator': ['isGroupsAddModeratorProps', inRoom],
  'groups.removeModerator': ['isGroupsRemoveModeratorProps', inRoom],
  'groups.addLeader': ['isGroupsAddLeaderProps', inRoom],
  'groups.removeLeader': ['isGroupsRemoveLeaderProps', inRoom],
  'groups.invite': ['isGroupsInviteProps', inRoom],
  'groups.kick': ['isGroupsKickProps', inRoom],
};

const VALUES = [1, true, null, '', 'text', ['text'], { key: 'text' }];
const QUERY_VALUES = ['', 'text', '1', ['text'], { key: 'text' }];
const ACCEPTED = 'accepted';
const ERROR_TYPES = ['invalid-params', 'error-invalid-params'];

/** One check for each validator: it takes what the clients sent and were not refused. */
export async function checkRecordedRequests() {
  const exchanges = recorded();
  for (const [endpoint, [name, , method]] of Object.entries({ ...alike, ...accepted })) {
    const sent = exchanges.filter((exchange) => endpointOf(exchange) === endpoint && exchange.status === 200);
    if (sent.length > 0) {
      await step(`${endpoint}: ${sent.length} requests of the clients taken by ${name}`, () => {
        for (const { query, body } of sent) {
          same(judged(typings[name], method === 'GET' ? query : body), ACCEPTED);
        }
      });
    }
  }
}

/** One check for each validator: its judgement and ours. */
export async function compareRequests(account) {
  for (const [endpoint, [name, sample, method]] of Object.entries(alike)) {
    const requests = variants(sample, method);
    await step(`${endpoint}: ${requests.length} requests judged as ${name} does`, () =>
      compare(requests, typings[name], sender(endpoint, method, account), () => true));
  }
  for (const [endpoint, [name, sample, method]] of Object.entries(accepted)) {
    const requests = variants(sample, method);
    await step(`${endpoint}: what ${name} takes of ${requests.length} requests`, () =>
      compare(requests, typings[name], sender(endpoint, method, account), (wanted) => wanted === ACCEPTED));
  }
}

async function compare(requests, validator, send, matters) {
  const differences = [];
  for (const request of requests) {
    const wanted = judged(validator, request);
    const found = matters(wanted) ? await send(request) : wanted;
    if (found !== wanted) {
      differences.push(`${JSON.stringify(request)}: ${found}, not ${wanted}`);
    }
  }
  if (differences.length > 0) {
    throw new Error(`${differences.length} differ: ${differences.slice(0, 5).join('; ')}`);
  }
}

/** The sample as it is, with something left out, something more, each value replaced; then the same within it. */
function variants(sample, method) {
  const values = method === 'GET' ? QUERY_VALUES : VALUES;
  const all = [...spoilt(sample, values), ...(method === 'GET' ? [] : [[]])];
  for (const [field, value] of Object.entries(sample)) {
    if (typeof value === 'object' && !Array.isArray(value)) {
      all.push(...spoilt(value, values).map((inner) => ({ ...sample, [field]: inner })));
    }
  }
  // What is undefined is not sent, and not seen by a validator either.
  return all.map((variant) => JSON.parse(JSON.stringify(variant)));
}

function spoilt(sample, values) {
  const fields = Object.keys(sample);
  const without = fields.map((field) => ({ ...sample, [field]: undefined }));
  const replaced = fields.flatMap((field) => values.map((value) => ({ ...sample, [field]: value })));
  return [sample, {}, { ...sample, unheardOf: 'text' }, { unheardOf: 'text' }, ...without, ...replaced];
}

function judged(validator, request) {
  // A validator coerces what it looks at.
  return validator(structuredClone(request)) ? ACCEPTED : `refused with ${oneLine(objections(validator))}`;
}

function sender(endpoint, method, account) {
  return async (request) => {
    let response = await send(endpoint, method, request, account);
    if (response.status === 401) {
      // The request before this one has ended the log-in, as `users.logout` does.
      await account.logIn();
      response = await send(endpoint, method, request, account);
    }
    return verdict(response);
  };
}

function send(endpoint, method, request, account) {
  const address = `${url}/api/v1/${endpoint}`;
  if (method === 'GET') {
    return fetch(`${address}?${queryString(request)}`, { headers: account.credentials });
  }
  // Somebody who is logged in cannot register.
  const credentials = endpoint === 'users.register' ? {} : account.credentials;
  const headers = { 'content-type': 'application/json', ...credentials };
  return fetch(address, { method: 'POST', headers, body: JSON.stringify(request) });
}

function queryString(query) {
  const pairs = Object.entries(query).flatMap(([key, value]) => {
    if (typeof value !== 'object') {
      return [[key, value]];
    }
    const keys = Array.isArray(value) ? value.map((item) => ['', item]) : Object.entries(value);
    return keys.map(([inner, item]) => [`${key}[${inner}]`, item]);
  });
  return new URLSearchParams(pairs).toString();
}

/** Refused is what did not get past the validation; a refusal for any other reason is none here. */
async function verdict(response) {
  const text = await response.text();
  if (response.status === 404) {
    return 'not there';
  }
  if (![200, 400].includes(response.status)) {
    return `answered with ${response.status}: ${text}`;
  }
  const { error, errorType } = JSON.parse(text);
  return ERROR_TYPES.includes(errorType) ? `refused with ${oneLine(error)}` : ACCEPTED;
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ');
}

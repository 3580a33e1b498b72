// Holds every recorded answer against what Rocket.Chat publishes: refusals against its validators of refusals,
// documents against the shapes of its documents. Its endpoints' own validators of answers are not published, except
// the one of `me`; what is around the documents is written down here.

import { endpointOf, recorded, step } from './steps.mjs';
import { answer, compile, document, list, objections, part, typings } from './typings.mjs';

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const page = { count, offset: count, total: count };
const trashed = { _deletedAt: { type: 'string', format: 'date-time' } };
const ROLE = ['_id', 'name', 'scope', 'description', 'protected', 'mandatory2fa'];
const HOLDER = ['_id', 'name', 'username', 'emails', 'avatarETag', 'createdAt', '_updatedAt'];
const MEMBER = ['_id', 'username', 'name'];

const person = { type: 'object', properties: { _id: text, username: text, name: text }, required: ['_id', 'username'] };
const roomRole = {
  type: 'object',
  properties: { _id: text, rid: text, u: { ...person, additionalProperties: false }, roles: list(text) },
  required: ['_id', 'rid', 'u', 'roles'],
  additionalProperties: false,
};
const trashedRole = {
  type: 'object',
  properties: { ...part('IRole', ROLE).properties, ...trashed, _updatedAt: text, __collection__: { const: 'roles' } },
  required: ['_id', '_deletedAt'],
  additionalProperties: false,
};
const trashedPermission = {
  type: 'object',
  properties: { _id: text, ...trashed },
  required: ['_id', '_deletedAt'],
  additionalProperties: false,
};
// The room that a server makes for itself has no creator, though the document wants one.
const anyRoom = { ...part('IRoom'), required: ['_id', 't', 'msgs', 'usersCount', '_updatedAt'] };
const done = answer({});
const oneRole = answer({ role: document('IRole') });
const publicHolder = {
  type: 'object',
  properties: { _id: text, username: text, roles: list(text) },
  required: ['_id', 'username', 'roles'],
  additionalProperties: false,
};
const session = compile({
  type: 'object',
  properties: {
    status: { const: 'success' },
    data: {
      type: 'object',
      properties: { userId: text, authToken: { type: 'string', minLength: 43 }, me: document('IMeApiUser') },
      required: ['userId', 'authToken', 'me'],
      additionalProperties: false,
    },
    success: { const: true },
  },
  required: ['status', 'data', 'success'],
  additionalProperties: false,
});

const successes = {
  login: session,
  me: compile(typings.meSuccessResponseSchema),
  'roles.list': answer({ roles: list({ ...part('IRole', ROLE), required: ROLE }) }),
  'roles.sync': answer({
    roles: {
      type: 'object',
      properties: { update: list(document('IRole')), remove: list(trashedRole) },
      required: ['update', 'remove'],
      additionalProperties: false,
    },
  }),
  'roles.create': oneRole,
  'roles.update': oneRole,
  'roles.delete': done,
  'roles.addUserToRole': oneRole,
  'roles.removeUserFromRole': oneRole,
  'roles.getUsersInRole': answer({ users: list(part('IUser', HOLDER)), total: count }),
  'roles.getUsersInPublicRoles': answer({ users: list(publicHolder) }),
  'permissions.listAll': answer({ update: list(document('IPermission')), remove: list(trashedPermission) }),
  'permissions.update': answer({ permissions: list(document('IPermission')) }),
  'users.create': answer({ user: document('IUser') }),
  'users.register': answer({ user: document('IUser') }),
  'users.info': answer({ user: { ...part('IUser'), required: ['_id', 'username', 'canViewAllInfo'] } }),
  'users.list': answer({ users: list(part('IUser', undefined, { nameInsensitive: text })), ...page }),
  'users.update': answer({ user: part('IUser') }),
  'users.delete': answer({ deletedRooms: list(text) }),
  'rooms.info': answer({ room: document('IRoom') }),
  'channels.info': answer({ channel: document('IRoom') }),
  'channels.list': answer({ channels: list(anyRoom), ...page }),
  'channels.members': answer({ members: list(part('IUser')), ...page }),
  'channels.invite': answer({ channel: document('IRoom') }),
  'channels.kick': answer({ channel: document('IRoom') }),
  'channels.delete': done,
  'users.setActiveStatus': answer({ user: part('IUser', ['_id', 'active']) }),
};
for (const [family, room] of [['channels', 'channel'], ['groups', 'group']]) {
  successes[`${family}.create`] = answer({ [room]: document('IRoom') });
  successes[`${family}.roles`] = answer({ roles: list(roomRole) });
  successes[`${family}.moderators`] = answer({ moderators: list(part('IUser', MEMBER)) });
  for (const role of ['Owner', 'Moderator', 'Leader']) {
    successes[`${family}.add${role}`] = done;
    successes[`${family}.remove${role}`] = done;
  }
}

// Nothing is published about what these say: only how they refuse is looked at.
const WITHOUT_A_SHAPE = /^(logout|permissions\.(add|remove)Role|settings.*|licenses\.info|\/api\/info)$/;

const refusals = {
  400: typings.validateBadRequestErrorResponse,
  401: typings.validateUnauthorizedErrorResponse,
  403: typings.validateForbiddenErrorResponse,
};

// A log-in is refused with more than other requests: with what the second factor or the reason asks for.
const refusedLogin = compile({
  type: 'object',
  properties: {
    success: { const: false },
    status: { const: 'error' },
    error: text,
    message: text,
    details: { type: 'object' },
  },
  required: ['success', 'status', 'error', 'message'],
  additionalProperties: false,
});

/** One check for each endpoint and outcome that was recorded, over all clients. */
export async function checkAnswers() {
  const exchanges = recorded();
  const groups = new Map();
  for (const exchange of exchanges) {
    const name = `${endpointOf(exchange)}, ${exchange.status}`;
    groups.set(name, [...(groups.get(name) ?? []), exchange]);
  }
  for (const [name, group] of [...groups].sort()) {
    await step(`${name}: ${group.length} recorded answers as published`, () => group.forEach(check));
  }
  await step('every endpoint with a shape was spoken to', () => {
    const spokenTo = new Set(exchanges.map(endpointOf));
    const forgotten = Object.keys(successes).filter((endpoint) => !spokenTo.has(endpoint));
    if (forgotten.length > 0) {
      throw new Error(forgotten.join(', '));
    }
  });
}

function check(exchange) {
  if (exchange.contentType !== 'application/json') {
    throw new Error(`content type ${exchange.contentType}`);
  }
  const validator = validatorOf(exchange);
  const body = JSON.parse(exchange.answer);
  if (validator && !validator(body)) {
    const where = validator.errors.map(({ instancePath, params }) => `${instancePath} ${JSON.stringify(params)}`);
    throw new Error(`${objections(validator)} (${where.join('; ')}) in ${JSON.stringify(body).slice(0, 600)}`);
  }
}

function validatorOf(exchange) {
  const endpoint = endpointOf(exchange);
  if (exchange.status === 200 && WITHOUT_A_SHAPE.test(endpoint)) {
    return undefined;
  }
  const validator = exchange.status === 200 ? successes[endpoint] : refusals[exchange.status];
  if (!validator) {
    throw new Error(`no shape is known for status ${exchange.status}`);
  }
  return endpoint === 'login' && exchange.status === 401 ? refusedLogin : validator;
}

// The life of a role, told once for every JavaScript client. A client is an object that can
//   login({username, password})  end the log-in it has and begin another, answering with the body
//   get(endpoint, parameters), post(endpoint, body)  answering with the body, also when it is a refusal
//   visit(endpoint, body)        the same as `post`, as somebody who is not logged in
//   logout()

import { administrator, same, step } from './steps.mjs';

const NO_PERMISSION = 'User does not have the permissions required for this action [error-unauthorized]';
const PASSWORD = 'a password';

/** Tells the story; `prefix` keeps its names apart from those of other clients. */
export async function tell(client, prefix) {
  const bob = `${prefix}-bob`;
  await arrive(client);
  const bobId = await createAccount(client, bob);
  await tellOfRoles(client, prefix, bob, bobId);
  await tellOfPermissions(client, prefix);
  await tellOfRegistration(client, prefix);
  const room = await tellOfRooms(client, 'channel', `${prefix}-plaza`, bob, bobId);
  await tellOfRooms(client, 'group', `${prefix}-cabinet`, bob, bobId);
  await tellOfRoomRoles(client, prefix, room, bob);
  await step('log out', () => client.logout());
}

function refused(answer, error, errorType) {
  same(answer, errorType ? { success: false, error, errorType } : { success: false, error });
}

function succeeded(answer) {
  same(answer.success, true);
  return answer;
}

async function arrive(client) {
  await step('log in', async () => same((await client.login(administrator)).status, 'success'));
  await step('who am I', async () => {
    const me = succeeded(await client.get('me'));
    same([me.username, me.roles.includes('admin')], [administrator.username, true]);
  });
}

function createAccount(client, name) {
  return step(`create the account ${name}`, async () => {
    const account = { username: name, email: `${name}@example.org`, name: 'Bob', password: PASSWORD };
    const { user } = succeeded(await client.post('users.create', account));
    same([user.username, user.roles, user.active], [name, ['user'], true]);
    return user._id;
  });
}

async function tellOfRoles(client, prefix, bob, bobId) {
  const name = `${prefix}-deputy`;
  await step('list the roles', async () => {
    const { roles } = succeeded(await client.get('roles.list'));
    same(roles.find(({ _id }) => _id === 'admin').protected, true);
  });
  const roleId = await step('create a role', async () => {
    const { role } = succeeded(await client.post('roles.create', { name, description: 'Stands in' }));
    same([role.name, role.scope, role.protected], [name, 'Users', false]);
    return role._id;
  });
  await step('refuse a second role of that name', async () => {
    const code = 'error-duplicate-role-names-not-allowed';
    refused(await client.post('roles.create', { name }), `Role name already exists [${code}]`, code);
  });
  await step('update the role', async () => {
    const change = { roleId, name, description: 'Stands in today' };
    same(succeeded(await client.post('roles.update', change)).role.description, 'Stands in today');
  });
  await step('assign it', async () => {
    same(succeeded(await client.post('roles.addUserToRole', { username: bob, roleId })).role._id, roleId);
  });
  await step('see it on the account', async () => {
    const { user } = succeeded(await client.get('users.info', { username: bob }));
    same(user.roles.includes(roleId), true);
  });
  await step('list who holds it', async () => {
    const { users, total } = succeeded(await client.get('roles.getUsersInRole', { role: roleId, count: 10 }));
    same([users.map(({ _id }) => _id), total], [[bobId], 1]);
  });
  await step('refuse to delete it while somebody holds it', async () => {
    const answer = await client.post('roles.delete', { roleId });
    same([answer.success, answer.errorType, answer.details.names], [false, 'error-role-in-use', [bob]]);
    same(answer.error, "Cannot delete role because it's in use [error-role-in-use]");
  });
  await step('take it away', async () => {
    succeeded(await client.post('roles.removeUserFromRole', { username: bob, roleId }));
    same((await client.get('roles.getUsersInRole', { role: roleId })).total, 0);
  });
  await step('delete it', async () => same(await client.post('roles.delete', { roleId }), { success: true }));
  await step('it is gone', async () => {
    const code = 'error-invalid-roleId';
    refused(await client.post('roles.delete', { roleId }), `This role does not exist [${code}]`, code);
  });
  await step('tell of the deletion to who synchronizes', async () => {
    const { roles } = succeeded(await client.get('roles.sync', { updatedSince: '2020-01-01T00:00:00.000Z' }));
    same(roles.remove.some(({ _id }) => _id === roleId), true);
  });
  await step('refuse to delete a protected role', async () => {
    const code = 'error-role-protected';
    refused(await client.post('roles.delete', { roleId: 'admin' }), `Cannot delete a protected role [${code}]`, code);
  });
}

async function rolesOf(client, permission) {
  const { update } = succeeded(await client.get('permissions.listAll'));
  return update.find(({ _id }) => _id === permission).roles;
}

async function tellOfPermissions(client, prefix) {
  const before = await step('list the permissions', async () => {
    const roles = await rolesOf(client, 'create-c');
    same(roles.includes('admin'), true);
    return roles;
  });
  const roleId = await step('change a permission', async () => {
    const { role } = succeeded(await client.post('roles.create', { name: `${prefix}-founder` }));
    const permissions = [{ _id: 'create-c', roles: [...before, role._id] }];
    const answer = succeeded(await client.post('permissions.update', { permissions }));
    same(answer.permissions.find(({ _id }) => _id === 'create-c').roles, [...before, role._id]);
    return role._id;
  });
  await step('refuse a role that is not there', async () => {
    const permissions = [{ _id: 'create-c', roles: [`${prefix}-nonsense`] }];
    refused(await client.post('permissions.update', { permissions }), 'Invalid role', 'error-invalid-role');
  });
  await step('grant a permission to a role, and revoke it', async () => {
    succeeded(await client.post('permissions.addRole', { permissionId: 'create-p', role: roleId }));
    same((await rolesOf(client, 'create-p')).includes(roleId), true);
    succeeded(await client.post('permissions.removeRole', { permissionId: 'create-p', role: roleId }));
    same((await rolesOf(client, 'create-p')).includes(roleId), false);
  });
  await step('a deleted role leaves its permissions', async () => {
    succeeded(await client.post('roles.delete', { roleId }));
    same(await rolesOf(client, 'create-c'), before);
  });
}

async function tellOfRegistration(client, prefix) {
  const username = `${prefix}-eve`;
  const account = { username, email: `${username}@example.org`, name: 'Eve', pass: PASSWORD };
  const userId = await step('register', async () => {
    const { user } = succeeded(await client.visit('users.register', account));
    same([user.username, user.roles], [username, ['user']]);
    return user._id;
  });
  await step('refuse a name that is taken', async () => {
    const again = { ...account, email: `${username}2@example.org` };
    same((await client.visit('users.register', again)).error, 'Username is already in use');
  });
  await step('refuse to delete roles without the permission', async () => {
    await client.login({ username, password: PASSWORD });
    refused(await client.post('roles.delete', { roleId: 'user' }), NO_PERMISSION);
  });
  await step('deactivate who registered, and refuse the log-in', async () => {
    await client.login(administrator);
    const answer = succeeded(await client.post('users.setActiveStatus', { userId, activeStatus: false }));
    same(answer.user.active, false);
    same((await client.visit('login', { username, password: PASSWORD })).error, 'error-user-is-not-activated');
  });
}

// Channels and groups have the same endpoints under two names.
async function tellOfRooms(client, kind, name, bob, bobId) {
  const family = `${kind}s`;
  const roomId = await step(`create a ${kind}`, async () => {
    const room = succeeded(await client.post(`${family}.create`, { name, members: [bob] }))[kind];
    same(room.name, name);
    return room._id;
  });
  for (const role of ['owner', 'moderator']) {
    await step(`make somebody ${role} of the ${kind}`, async () => {
      const endpoint = `${family}.add${capitalized(role)}`;
      same(await client.post(endpoint, { roomId, userId: bobId }), { success: true });
      const code = `error-user-already-${role}`;
      same((await client.post(endpoint, { roomId, userId: bobId })).errorType, code);
    });
  }
  await step(`list the roles in the ${kind}`, async () => {
    const { roles } = succeeded(await client.get(`${family}.roles`, { roomId }));
    const found = Object.fromEntries(roles.map((entry) => [entry.u.username, [...entry.roles].sort()]));
    same(found, { [administrator.username]: ['owner'], [bob]: ['moderator', 'owner'] });
  });
  await step(`list the moderators of the ${kind}`, async () => {
    const { moderators } = succeeded(await client.get(`${family}.moderators`, { roomId }));
    same(moderators.map(({ username }) => username), [bob]);
  });
  await step(`take them away in the ${kind}`, async () => {
    same(await client.post(`${family}.removeModerator`, { roomId, userId: bobId }), { success: true });
    same(await client.post(`${family}.removeOwner`, { roomId, userId: bobId }), { success: true });
  });
  await step(`refuse to remove the last owner of the ${kind}`, async () => {
    const answer = await client.post(`${family}.removeOwner`, { roomId, username: administrator.username });
    same(answer.errorType, 'error-remove-last-owner');
  });
  return roomId;
}

function capitalized(word) {
  return word[0].toUpperCase() + word.slice(1);
}

async function tellOfRoomRoles(client, prefix, roomId, bob) {
  const roleId = await step('create a role for rooms', async () => {
    const { role } = succeeded(await client.post('roles.create', { name: `${prefix}-scribe`, scope: 'Subscriptions' }));
    return role._id;
  });
  await step('assign it in a room', async () => {
    succeeded(await client.post('roles.addUserToRole', { username: bob, roleId, roomId }));
    same((await client.get('roles.getUsersInRole', { role: roleId, roomId })).total, 1);
  });
  await step('refuse to delete it while it is held in a room', async () => {
    same((await client.post('roles.delete', { roleId })).errorType, 'error-role-in-use');
  });
  await step('take it away in the room, and delete it', async () => {
    succeeded(await client.post('roles.removeUserFromRole', { username: bob, roleId, scope: roomId }));
    same(await client.post('roles.delete', { roleId }), { success: true });
  });
}

-- Version 1. Names, keys and times: `*_key` columns hold domain::role::name_key of their neighbour (caseless_key for
-- usernames and addresses), times are
-- milliseconds since 1970 in UTC, `seq` keeps the order of insertion, `position` the order inside one list. Roles and
-- permissions are few and asked for as a whole, in order; nothing else is searched without an index.

CREATE TABLE roles (
    seq          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    name_key     TEXT    NOT NULL UNIQUE,
    scope        TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    protected    INTEGER NOT NULL,
    mandatory2fa INTEGER,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE permissions (
    seq        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    setting    TEXT    NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- No reference to roles: the defaults name roles of other editions.
CREATE TABLE permission_roles (
    permission_id TEXT    NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    role_id       TEXT    NOT NULL,
    PRIMARY KEY (permission_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX permission_roles_role ON permission_roles (role_id, permission_id);

CREATE TABLE users (
    seq             INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    username        TEXT    UNIQUE,
    username_key    TEXT    UNIQUE,
    name            TEXT,
    kind            TEXT    NOT NULL,
    active          INTEGER NOT NULL,
    password_bcrypt TEXT,
    totp            INTEGER,
    totp_secret     TEXT,
    email_codes     INTEGER,
    created_at      INTEGER,
    updated_at      INTEGER,
    last_login      INTEGER,
    profile         TEXT    NOT NULL
) STRICT;
CREATE INDEX users_kind ON users (kind);
CREATE INDEX users_name ON users (name);
CREATE INDEX users_created ON users (created_at);
CREATE INDEX users_last_login ON users (last_login);
CREATE INDEX users_idle ON users (active, last_login);

CREATE TABLE user_emails (
    user_id     TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    address     TEXT    NOT NULL,
    address_key TEXT    NOT NULL UNIQUE,
    verified    INTEGER NOT NULL,
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE user_roles (
    user_id  TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role_id  TEXT    NOT NULL REFERENCES roles (id) ON DELETE RESTRICT,
    -- The account's own, so that an index has the holders of a role in the order of their names; kept by the triggers.
    username TEXT,
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX user_roles_role ON user_roles (role_id, user_id);
CREATE INDEX user_roles_names ON user_roles (role_id, username, user_id);
CREATE TRIGGER user_roles_named AFTER INSERT ON user_roles BEGIN
    UPDATE user_roles SET username = (SELECT username FROM users WHERE id = NEW.user_id)
    WHERE user_id = NEW.user_id AND position = NEW.position;
END;
CREATE TRIGGER user_roles_renamed AFTER UPDATE OF username ON users WHEN OLD.username IS NOT NEW.username BEGIN
    UPDATE user_roles SET username = NEW.username WHERE user_id = NEW.id;
END;

CREATE TABLE login_tokens (
    seq                  INTEGER PRIMARY KEY,
    hash                 TEXT    NOT NULL UNIQUE,
    user_id              TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    personal             INTEGER NOT NULL,
    issued_at            INTEGER,
    -- Of personal ones.
    name                 TEXT,
    last_part            TEXT,
    bypass_second_factor INTEGER NOT NULL DEFAULT 0,
    -- The second factor that was shown with it: by which client, and until when that counts.
    shown_by             TEXT,
    shown_until          INTEGER
) STRICT;
CREATE INDEX login_tokens_user ON login_tokens (user_id, personal, issued_at);
CREATE UNIQUE INDEX login_tokens_name ON login_tokens (user_id, name) WHERE name IS NOT NULL;

CREATE TABLE backup_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    TEXT NOT NULL,
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- What was tried lately. `last_step` is the newest step whose code was used.
CREATE TABLE second_factor_attempts (
    user_id   TEXT    NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    last_step INTEGER,
    attempts  INTEGER NOT NULL DEFAULT 0,
    since     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Of accounts and of names that nobody has; see domain::login_failure.
CREATE TABLE login_failures (
    seq       INTEGER PRIMARY KEY,
    account   TEXT    NOT NULL,
    address   TEXT,
    at        INTEGER NOT NULL,
    forget_at INTEGER NOT NULL
) STRICT;
CREATE INDEX login_failures_account ON login_failures (account, at);
CREATE INDEX login_failures_address ON login_failures (address, at);
CREATE INDEX login_failures_forget ON login_failures (forget_at);

CREATE TABLE rooms (
    seq           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    name          TEXT    NOT NULL,
    -- Of channels and groups only: direct rooms may share a name.
    name_key      TEXT    UNIQUE,
    kind          TEXT    NOT NULL,
    creator       TEXT,
    is_default    INTEGER NOT NULL,
    read_only     INTEGER NOT NULL,
    archived      INTEGER NOT NULL,
    -- What whoever wants to join has to know, where the room asks for it.
    join_code     TEXT,
    custom_fields TEXT    NOT NULL,
    details       TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX rooms_name ON rooms (kind, name, id);
CREATE INDEX rooms_created ON rooms (kind, created_at, id);
CREATE INDEX rooms_creator ON rooms (json_extract(creator, '$._id'));
CREATE INDEX rooms_default ON rooms (is_default) WHERE is_default = 1;

CREATE TABLE subscriptions (
    seq        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    room_id    TEXT    NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    unread     INTEGER NOT NULL,
    joined_at  INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (room_id, user_id)
) STRICT;
CREATE INDEX subscriptions_user ON subscriptions (user_id);
CREATE INDEX subscriptions_standing ON subscriptions (room_id, joined_at);

CREATE TABLE subscription_roles (
    subscription_id TEXT    NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    position        INTEGER NOT NULL,
    role_id         TEXT    NOT NULL REFERENCES roles (id) ON DELETE RESTRICT,
    -- The subscription's and its account's own, as in user_roles; kept by the triggers.
    room_id         TEXT,
    user_id         TEXT,
    username        TEXT,
    PRIMARY KEY (subscription_id, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX subscription_roles_role ON subscription_roles (role_id, subscription_id);
CREATE INDEX subscription_roles_names ON subscription_roles (role_id, room_id, username, user_id);
CREATE TRIGGER subscription_roles_named AFTER INSERT ON subscription_roles BEGIN
    UPDATE subscription_roles SET (room_id, user_id, username) =
        (SELECT s.room_id, s.user_id, u.username FROM subscriptions s JOIN users u ON u.id = s.user_id
         WHERE s.id = NEW.subscription_id)
    WHERE subscription_id = NEW.subscription_id AND position = NEW.position;
END;
CREATE TRIGGER subscription_roles_renamed AFTER UPDATE OF username ON users WHEN OLD.username IS NOT NEW.username BEGIN
    UPDATE subscription_roles SET username = NEW.username
    WHERE subscription_id IN (SELECT id FROM subscriptions WHERE user_id = NEW.id);
END;

CREATE TABLE trash (
    collection TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    deleted_at INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX trash_deleted ON trash (collection, deleted_at);
-- What somebody was a member of.
CREATE INDEX trash_member ON trash (json_extract(document, '$.u._id'), deleted_at) WHERE collection = 'subscription';

-- AUTOINCREMENT: a number of the record is never given twice, not even after its end was cut off.
CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Made by chance from 96 bits. An index of it would have every change write a page of its own: they lie nowhere near
    -- each other, and nobody looks for one.
    id     TEXT    NOT NULL,
    entry  TEXT    NOT NULL,
    -- The place in the chain of its scope; see domain::audit_chain.
    scope  TEXT    NOT NULL,
    number INTEGER NOT NULL,
    prev   BLOB    NOT NULL,
    hash   BLOB    NOT NULL,
    keyed  INTEGER NOT NULL,
    UNIQUE (scope, number)
) STRICT;
CREATE INDEX audit_at ON audit (json_extract(entry, '$.at'), id);

-- The newest entry of each scope.
CREATE TABLE audit_heads (
    scope  TEXT    NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    hash   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    id    TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Organizations. System roles are in the program, not here.
CREATE TABLE organizations (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organization_roles (
    organization_id TEXT    NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    id              TEXT    NOT NULL UNIQUE,
    name            TEXT    NOT NULL,
    name_key        TEXT    NOT NULL,
    description     TEXT,
    capabilities    TEXT    NOT NULL,
    revision        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, name_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE organization_members (
    organization_id TEXT    NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id         TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id              TEXT    NOT NULL UNIQUE,
    joined_at       INTEGER NOT NULL,
    PRIMARY KEY (organization_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_members_user ON organization_members (user_id, organization_id);

-- No reference to organization_roles: system roles are not there.
CREATE TABLE organization_member_roles (
    organization_id TEXT    NOT NULL,
    user_id         TEXT    NOT NULL,
    position        INTEGER NOT NULL,
    role_id         TEXT    NOT NULL,
    id              TEXT    NOT NULL UNIQUE,
    assigned_at     INTEGER NOT NULL,
    PRIMARY KEY (organization_id, user_id, position),
    FOREIGN KEY (organization_id, user_id) REFERENCES organization_members (organization_id, user_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX organization_member_roles_role ON organization_member_roles (organization_id, role_id, user_id);

-- The part of the record that is about organizations, one organization's together and in order.
CREATE INDEX audit_organization
    ON audit (json_extract(entry, '$.organization'), json_extract(entry, '$.at'), id)
    WHERE json_extract(entry, '$.organization') IS NOT NULL;

-- Answers to requests that may come again. Without status, the request is running.
CREATE TABLE receipts (
    user_id      TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    request      TEXT    NOT NULL,
    run          TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    status       INTEGER,
    etag         TEXT,
    content_type TEXT,
    body         TEXT,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_started ON receipts (started_at);

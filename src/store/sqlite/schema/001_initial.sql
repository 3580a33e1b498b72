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
    email_codes     INTEGER,
    created_at      INTEGER,
    updated_at      INTEGER,
    last_login      INTEGER,
    profile         TEXT    NOT NULL
) STRICT;
CREATE INDEX users_kind ON users (kind);

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
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX user_roles_role ON user_roles (role_id, user_id);

CREATE TABLE login_tokens (
    seq       INTEGER PRIMARY KEY,
    hash      TEXT    NOT NULL UNIQUE,
    user_id   TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    personal  INTEGER NOT NULL,
    issued_at INTEGER
) STRICT;
CREATE INDEX login_tokens_user ON login_tokens (user_id, personal, issued_at);

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
    custom_fields TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
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
    PRIMARY KEY (subscription_id, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX subscription_roles_role ON subscription_roles (role_id, subscription_id);

CREATE TABLE trash (
    collection TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    deleted_at INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX trash_deleted ON trash (collection, deleted_at);

-- AUTOINCREMENT: a number of the record is never given twice, not even after its end was cut off.
CREATE TABLE audit (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    id    TEXT    NOT NULL UNIQUE,
    entry TEXT    NOT NULL
) STRICT;

CREATE TABLE settings (
    id    TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

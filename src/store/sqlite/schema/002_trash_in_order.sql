-- Version 2. The trash stands in the order in which things went, so that deletions that are committed together share a few
-- pages. By their ids, which are made by chance, every one of them had a page of its own to write. Who went twice stands
-- here twice; the last one counts.

CREATE TABLE trash_in_order (
    seq        INTEGER PRIMARY KEY,
    collection TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    deleted_at INTEGER NOT NULL
) STRICT;
INSERT INTO trash_in_order (collection, id, document, deleted_at)
    SELECT collection, id, document, deleted_at FROM trash ORDER BY deleted_at, collection, id;
DROP TABLE trash;
ALTER TABLE trash_in_order RENAME TO trash;
CREATE INDEX trash_deleted ON trash (collection, deleted_at);
-- Rooms are few, and asked for by id.
CREATE INDEX trash_room ON trash (id) WHERE collection = 'room';
-- What somebody was a member of.
CREATE INDEX trash_member ON trash (json_extract(document, '$.u._id'), deleted_at) WHERE collection = 'subscription';

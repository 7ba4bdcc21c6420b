-- Who posts. An author is one row for a name.
CREATE TABLE author (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE message (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    author_id  INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
    content    TEXT    NOT NULL,
    created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    client_id  TEXT -- the page's own name for it: the same again is a retry
) STRICT;

CREATE INDEX message_author ON message (author_id);

CREATE UNIQUE INDEX message_client_id ON message (author_id, client_id) WHERE client_id IS NOT NULL;

-- The log: each change to a message, in the order of its commit. Streams read it, triggers alone write it, so it is
-- complete whoever writes the messages. AUTOINCREMENT: an id that was seen once never means another change.
CREATE TABLE revision (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id INTEGER, -- none for a renaming
    kind       TEXT    NOT NULL CHECK (kind IN ('created', 'edited', 'deleted', 'renamed')),
    detail     TEXT    -- of a renaming: {"from": …, "to": …}
) STRICT;

CREATE INDEX revision_edited ON revision (message_id) WHERE kind = 'edited';

CREATE TRIGGER message_created AFTER INSERT ON message
BEGIN
    INSERT INTO revision (message_id, kind) VALUES (new.id, 'created');
END;

CREATE TRIGGER message_edited AFTER UPDATE OF content ON message WHEN new.content IS NOT old.content
BEGIN
    INSERT INTO revision (message_id, kind) VALUES (new.id, 'edited');
END;

CREATE TRIGGER message_deleted AFTER DELETE ON message
BEGIN
    INSERT INTO revision (message_id, kind) VALUES (old.id, 'deleted');
END;

CREATE TRIGGER author_renamed AFTER UPDATE OF name ON author WHEN new.name IS NOT old.name
BEGIN
    INSERT INTO revision (kind, detail) VALUES ('renamed', json_object('from', old.name, 'to', new.name));
END;

CREATE TABLE session (
    fingerprint TEXT    PRIMARY KEY, -- of the token, which only its holder has
    name        TEXT    NOT NULL,
    seen_at     INTEGER NOT NULL -- seconds since 1970
) STRICT, WITHOUT ROWID;

CREATE TABLE admin_session (
    fingerprint TEXT    PRIMARY KEY,
    seen_at     INTEGER NOT NULL -- seconds since 1970
) STRICT, WITHOUT ROWID;

-- Names that nobody may sign in under for a while.
CREATE TABLE block (
    name  TEXT    PRIMARY KEY,
    until INTEGER NOT NULL -- seconds since 1970
) STRICT, WITHOUT ROWID;

-- Who is here, as each process on this file sees it and says again before `until`.
CREATE TABLE attendance (
    process     TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL, -- of the session
    until       INTEGER NOT NULL, -- seconds since 1970
    PRIMARY KEY (process, name, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tells a client that the database was replaced by another.
INSERT INTO meta (key, value) VALUES ('epoch', lower(hex(randomblob(16))));

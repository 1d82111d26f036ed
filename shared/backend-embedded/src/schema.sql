-- States, runs, done marks, permits and stops: items under an owner, as a key-value store keeps them.
CREATE TABLE syncs (
    owner TEXT NOT NULL,
    item TEXT NOT NULL,
    -- Counts the changes: an update goes through only when nobody else was faster.
    version INTEGER NOT NULL,
    value ANY NOT NULL,
    PRIMARY KEY (owner, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sync TEXT NOT NULL,
    at INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX batches_by_id ON batches (run, seq);
CREATE INDEX batches_by_age ON batches (sync, at);

-- What happened to records: one row per batch with its lines in a block, and one row per held record.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    sync TEXT NOT NULL,
    -- The range of keys in the block; both are the key of a held record.
    least TEXT NOT NULL,
    greatest TEXT NOT NULL,
    run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Of lines only.
    part INTEGER,
    mapping INTEGER,
    -- Of held records only: 0 for a reject, 1 for a waiter, and the stream it waits for.
    held INTEGER,
    waits_for TEXT,
    content BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_lines ON audit (run, seq, part, sync) WHERE held IS NULL;
CREATE INDEX audit_keys ON audit (sync, least, greatest) WHERE held IS NULL;
CREATE UNIQUE INDEX audit_held ON audit (sync, least) WHERE held IS NOT NULL;
CREATE INDEX audit_held_kinds ON audit (sync, held) WHERE held IS NOT NULL;
CREATE INDEX audit_held_batches ON audit (run, seq) WHERE held IS NOT NULL;

CREATE TABLE links (
    sync TEXT NOT NULL,
    key TEXT NOT NULL,
    there TEXT NOT NULL,
    PRIMARY KEY (sync, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stage TEXT NOT NULL,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    envelope TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_time ON messages (stage, visible_at, id);

-- Apart from the messages, so that handing one out does not write its rows again. A dead letter keeps them.
CREATE TABLE payloads (
    id INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
) STRICT;

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    reason TEXT NOT NULL,
    envelope TEXT NOT NULL
) STRICT;

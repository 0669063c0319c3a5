-- Like `migrations/postgres`, which must have the same tables and columns.
-- Every time is milliseconds of Unix time by the bot's clock, unless a comment says otherwise.
--
-- Settled rows are kept for months, so every query that runs for each match, event or wake-up has an index that contains only
-- the few rows that it needs (`tests/plans.rs` reads the plans). Columns that may be long are the last ones of their
-- tables, because SQLite reads a row from its beginning.

-- One alert for each (message, trigger) pair, kept for `store.keep`. The pair prevents a second page.
CREATE TABLE alert (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id   TEXT    NOT NULL,
    trigger_name TEXT    NOT NULL,
    room_id      TEXT    NOT NULL,
    thread_id    TEXT    NOT NULL, -- where its replies go: the message's tmid, or else the message itself
    author       TEXT,             -- the author's username; NULL for an integration, which does not read replies
    external_id  TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'not_sent', 'suppressed', 'withdrawn')),
    event_id     TEXT,             -- from SIGNL4's answer; not UNIQUE, because a repeated answer must not keep an alert from being settled
    unanswered   INTEGER NOT NULL DEFAULT 0, -- calls that may have raised an alert with an unknown eventId
    told_waiting INTEGER NOT NULL DEFAULT 0, -- whether the delay was reported in the thread
    created_at   INTEGER NOT NULL,
    settled_at   INTEGER,
    first_call   INTEGER,          -- the first calls of alerts, numbered in their order
    settled_call INTEGER,          -- the newest first call when this one was settled: later ones began after its last call
    UNIQUE (message_id, trigger_name)
) STRICT;
CREATE INDEX alert_event ON alert (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX alert_external ON alert (external_id, id) WHERE state <> 'suppressed';
CREATE INDEX alert_thread ON alert (thread_id) WHERE state <> 'suppressed';
CREATE INDEX alert_unanswered ON alert (external_id, id) WHERE unanswered > 0;
CREATE INDEX alert_paged ON alert (trigger_name, room_id, created_at) WHERE state IN ('queued', 'sent');
CREATE INDEX alert_late ON alert (created_at) WHERE state = 'queued' AND told_waiting = 0;
CREATE INDEX alert_first_call ON alert (first_call);
CREATE INDEX alert_answered ON alert (first_call) WHERE event_id IS NOT NULL;
CREATE INDEX alert_settled ON alert (settled_at) WHERE settled_at IS NOT NULL;

-- eventIds of alerts whose calls were never answered, each learned from the first event with it. Later events with that eventId
-- belong to the same alert, whatever else is lost. If it could belong to several alerts with the same external ID, `alert_id` is
-- NULL: one of them was raised, but it is unknown which.
CREATE TABLE learned_event_id (
    event_id    TEXT    PRIMARY KEY,
    alert_id    INTEGER REFERENCES alert (id) ON DELETE CASCADE,
    external_id TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX learned_event_id_alert ON learned_event_id (alert_id);
CREATE INDEX learned_event_id_unassigned ON learned_event_id (external_id, created_at) WHERE alert_id IS NULL;

-- The outbox: what has to be delivered to SIGNL4 or to Rocket.Chat. The worker of a row knows when to try it next.
CREATE TABLE delivery (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    queue      TEXT    NOT NULL, -- the destination; queues do not wait for each other
    kind       TEXT    NOT NULL, -- what is delivered: 'alert', 'reply', 'reaction'; a row of another kind is left alone
    ordering   TEXT    NOT NULL, -- rows of a queue with the same value are delivered in the order of their ids
    alert_id   INTEGER REFERENCES alert (id) ON DELETE CASCADE,
    state      TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'under_way', 'delivered', 'failed')),
    attempts   INTEGER NOT NULL DEFAULT 0, -- counted before each attempt
    crashes    INTEGER NOT NULL DEFAULT 0, -- attempts since the last outcome that ended in a panic or with the process
    starts     INTEGER NOT NULL DEFAULT 0, -- starts of the bot since its last attempt, if that may have arrived
    created_at INTEGER NOT NULL,
    settled_at INTEGER,          -- NULL while it is waiting or under way
    last_error TEXT,
    body       TEXT    NOT NULL  -- JSON of what to deliver
) STRICT;
-- Both have all columns that finding the next row needs.
CREATE INDEX delivery_open ON delivery (queue, id, kind, ordering, state) WHERE settled_at IS NULL;
CREATE INDEX delivery_ordering ON delivery (queue, ordering, id) WHERE settled_at IS NULL;
CREATE INDEX delivery_failing ON delivery (queue, id) WHERE settled_at IS NULL AND last_error IS NOT NULL;
CREATE INDEX delivery_under_way ON delivery (alert_id) WHERE state = 'under_way';
CREATE INDEX delivery_alert ON delivery (alert_id);
CREATE INDEX delivery_last_alert ON delivery (queue, settled_at, id) WHERE kind = 'alert' AND settled_at IS NOT NULL;
CREATE INDEX delivery_settled ON delivery (settled_at) WHERE settled_at IS NOT NULL;

-- The inbox: SIGNL4's notifications, stored before they are answered.
CREATE TABLE event (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT    NOT NULL UNIQUE, -- the notification's top-level id, or a digest of its body, so a repetition is ignored
    state       TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'settled')),
    received_at INTEGER NOT NULL,
    settled_at  INTEGER,
    outcome     TEXT,                    -- how it was correlated, if it is settled
    alert_id    INTEGER REFERENCES alert (id) ON DELETE SET NULL, -- the alert it is about, if known
    event_kind   TEXT,                    -- what it says happened to the alert
    actor       TEXT,                    -- who did it, if the event says so
    body        BLOB    NOT NULL         -- as received, even if it cannot be parsed
) STRICT;
CREATE INDEX event_waiting ON event (seq, received_at) WHERE state = 'waiting';
CREATE INDEX event_alert ON event (alert_id) WHERE alert_id IS NOT NULL;
CREATE INDEX event_settled ON event (settled_at) WHERE settled_at IS NOT NULL;

-- The watched rooms, by the server's clock.
CREATE TABLE room (
    id     TEXT    PRIMARY KEY,
    since  INTEGER NOT NULL, -- watched since: nothing older ever alerts
    cursor INTEGER NOT NULL, -- read up to this _updatedAt
    is_behind INTEGER NOT NULL -- whether the cursor stays here while the fact read_until moves on
) STRICT, WITHOUT ROWID;

-- The last login at Rocket.Chat with a password, encrypted, in one row.
CREATE TABLE login (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
) STRICT;

-- Facts about this installation: how far all rooms were read, the rooms that the names in the configuration last resolved to (a room
-- that is renamed is still watched), and when the store was last checked.
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

"""The tables of a vault, as migrations: version n is reached by running the n-th, once.

Times are seconds since 1970, UTC. `item.key` and `event.number` are never given out twice.
"""

MIGRATIONS = (
    """
    CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    CREATE TABLE item (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        labels TEXT NOT NULL,           -- JSON list of text
        description TEXT NOT NULL,
        removed INTEGER NOT NULL DEFAULT 0, -- no longer recommended; events may still name it
        personal INTEGER NOT NULL DEFAULT 0 -- known from the person's own history only: goes with it
    );

    CREATE TABLE event (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        item INTEGER NOT NULL REFERENCES item (key),
        kind TEXT NOT NULL,
        at REAL NOT NULL,
        value REAL,
        context TEXT NOT NULL,          -- JSON object of text
        forgotten INTEGER REFERENCES forgetting (number)  -- waits for its undo time to pass
    );
    CREATE INDEX event_order ON event (at, number);
    CREATE INDEX event_item ON event (item);

    CREATE TABLE forgetting (           -- a deletion that can still be undone
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        token TEXT NOT NULL UNIQUE,
        until REAL NOT NULL
    );

    CREATE TABLE wish (                 -- what the person said of an item or a taste
        kind TEXT NOT NULL,             -- less, never, saved, taste
        subject TEXT NOT NULL,          -- item id, or label
        level INTEGER NOT NULL,         -- taste: -2 to 2, -9 removed; else 1
        at REAL NOT NULL,
        PRIMARY KEY (kind, subject)
    ) WITHOUT ROWID;

    CREATE TABLE snapshot (             -- models and what was derived from them; one row a name
        name TEXT PRIMARY KEY,
        digest BLOB NOT NULL,           -- sha256 of body
        made REAL NOT NULL,
        body BLOB NOT NULL
    );

    CREATE TABLE consent (              -- hash-chained receipts; only ever added to
        number INTEGER PRIMARY KEY,
        purpose TEXT NOT NULL,
        granted INTEGER NOT NULL,
        at REAL NOT NULL,
        record TEXT NOT NULL,           -- JSON, ISO/IEC TS 27560 with DPV terms
        previous BLOB NOT NULL,
        hash BLOB NOT NULL
    );

    CREATE TABLE departure (            -- the egress ledger: written before anything is sent
        number INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        purpose TEXT NOT NULL,
        task TEXT NOT NULL,
        destination TEXT NOT NULL,
        size INTEGER NOT NULL,
        digest BLOB NOT NULL,           -- sha256 of every byte
        content TEXT NOT NULL,          -- JSON: decoded, as the person may read it
        visible TEXT NOT NULL,          -- what the receiver can learn of it, in words
        round BLOB,                     -- the round it belongs to
        epsilon REAL NOT NULL,          -- budget it spends when it is sent
        delta REAL NOT NULL,
        state TEXT NOT NULL,            -- written, sent, failed
        sent_at REAL,
        receipt TEXT NOT NULL,          -- JSON: what came back
        previous BLOB NOT NULL,
        hash BLOB NOT NULL              -- chains all but state, sent_at and receipt
    );

    CREATE TABLE round (                -- rounds this device joined; never twice in one
        id BLOB PRIMARY KEY,
        task TEXT NOT NULL,
        plan BLOB NOT NULL,             -- digest of what the device agreed to
        at REAL NOT NULL,
        epsilon REAL NOT NULL,
        delta REAL NOT NULL,
        state TEXT NOT NULL             -- joined, spent, over
    ) WITHOUT ROWID;

    CREATE TABLE outbox (               -- updates made ready to be sent; erased with what they came from
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        round BLOB NOT NULL,
        made REAL NOT NULL,
        body BLOB NOT NULL
    );
    """,
    """
    -- JSON: link, picture, creator, price, and what the pack's schema has
    ALTER TABLE item ADD COLUMN further TEXT NOT NULL DEFAULT '{}';
    """,
    """
    CREATE TABLE seen (                 -- what was had, whatever events are remembered
        item INTEGER PRIMARY KEY REFERENCES item (key),
        at REAL NOT NULL                -- when last
    );
    INSERT INTO seen (item, at) SELECT item, max(at) FROM event WHERE forgotten IS NULL GROUP BY item;

    CREATE TABLE seen_forgotten (       -- of `seen`, what waits with a forgetting for its undo time to pass
        item INTEGER NOT NULL REFERENCES item (key),
        forgetting INTEGER NOT NULL REFERENCES forgetting (number),
        at REAL NOT NULL,
        PRIMARY KEY (item, forgetting)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE kind (                 -- kinds of event that this profile knows besides its pack's
        name TEXT PRIMARY KEY,          -- as it was spelled
        says TEXT NOT NULL,             -- JSON, an EventKind
        inherited INTEGER NOT NULL DEFAULT 0 -- used before kinds had to be declared: the pack goes first
    ) WITHOUT ROWID;
    INSERT INTO kind (name, says, inherited) SELECT DISTINCT kind, '{}', 1 FROM event;
    """,
    """
    -- what an app keeps with an item, as it gave it
    ALTER TABLE item ADD COLUMN note TEXT NOT NULL DEFAULT '';

    -- when a mark begins to count: 0, but where an app said so beforehand
    ALTER TABLE seen ADD COLUMN since REAL NOT NULL DEFAULT 0;
    ALTER TABLE seen_forgotten ADD COLUMN since REAL NOT NULL DEFAULT 0;
    CREATE INDEX seen_later ON seen (since) WHERE since > 0;
    """,
    """
    -- held against the budget at each opening
    CREATE INDEX departure_spent ON departure (number) WHERE epsilon > 0 AND round IS NOT NULL;
    """,
)

-- SIGNL4's names for alerts raised by calls whose answers never came, each learned from the first event that bore it:
-- what follows under that name belongs to the same alert, whatever else is lost later.
CREATE TABLE claim (
    event_id TEXT    PRIMARY KEY,
    alert_id INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_alert ON claim (alert_id);

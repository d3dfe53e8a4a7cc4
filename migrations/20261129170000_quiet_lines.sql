-- Why: a line that is cut behind a router which still reaches us (by a second line, or over the tunnel) leaves customers as much in
-- the dark as a dead router does, but it keeps reporting, and hours online run on. Such an outage is told by the traffic, which
-- falls off a cliff.

ALTER TABLE outages ADD COLUMN cause text NOT NULL DEFAULT 'silent' CHECK (cause IN ('silent', 'no_traffic'));
-- What was given back of hours that count only online.
ALTER TABLE outage_entitlements ADD COLUMN online_seconds bigint CHECK (online_seconds >= 0);
-- What an entitlement was given back for other outages of the same time.
CREATE INDEX outage_entitlements_by_entitlement ON outage_entitlements (entitlement_id);

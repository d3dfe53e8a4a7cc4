-- Why: the key that seals secrets is changed while everything runs. Nothing may be sealed with a key that a running program has not
-- got, so each program says every half minute which ones it has.

CREATE TABLE key_holders (
    -- One process, new at each start.
    id      uuid PRIMARY KEY,
    program text NOT NULL CHECK (program IN ('radiusd', 'portal')),
    -- By what its keys are known, the one that seals first. Nothing of a key can be computed from it.
    keys    text[] NOT NULL CHECK (cardinality(keys) BETWEEN 1 AND 20),
    seen_at timestamptz NOT NULL
);

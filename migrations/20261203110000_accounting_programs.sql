-- Why: the documents of a day are told to the accountant's program, once each, whatever is lost on the way; and what it has is held
-- against what we have.

-- A company of the operator in an accountant's program.
CREATE TABLE book_connections (
    id             uuid PRIMARY KEY,
    provider       text NOT NULL CHECK (provider IN ('quickbooks', 'xero', 'zoho')),
    -- The program's name of the company: realm, tenant, organization.
    organisation   text NOT NULL CHECK (organisation <> ''),
    name           text NOT NULL CHECK (name <> ''),
    -- Where the program is, where the grant said so.
    base_url       text CHECK (base_url ~ '^https?://'),
    -- Both tokens as JSON, sealed; NULL: none any more.
    tokens_sealed  bytea,
    access_until   timestamptz,
    -- Until when the refresh token is good, where it is known.
    refresh_until  timestamptz,
    -- Counts the pairs of tokens: a pair is replaced only by who has read the one before.
    generation     bigint NOT NULL DEFAULT 0,
    -- Who renews the tokens just now has until then.
    renewing_until timestamptz,
    -- connected; reconnect: we are not let in any more and a person must act; off: the operator ended it.
    state          text NOT NULL DEFAULT 'connected' CHECK (state IN ('connected', 'reconnect', 'off')),
    reason         text NOT NULL DEFAULT '',
    -- The first day that is told.
    posts_since    date NOT NULL,
    -- Nothing is told while the program asked us to wait.
    paused_until   timestamptz,
    connected_at   timestamptz NOT NULL,
    connected_by   text NOT NULL,
    CHECK ((state = 'connected') <= (tokens_sealed IS NOT NULL)),
    UNIQUE (provider, organisation)
);

-- What can be chosen in the program, as last read.
CREATE TABLE book_choices (
    connection_id uuid NOT NULL REFERENCES book_connections (id),
    topic         text NOT NULL CHECK (topic IN ('account', 'item', 'tax', 'class', 'contact', 'method')),
    external_id   text NOT NULL,
    name          text NOT NULL,
    detail        text NOT NULL DEFAULT '',
    read_at       timestamptz NOT NULL,
    PRIMARY KEY (connection_id, topic, external_id)
);

-- What the operator chose for something of ours. `subject` is a package, a site, a letter of tax, a method, a method or a
-- customer in one currency ('stripe:USD', 'USD'), or '*' for all.
CREATE TABLE book_mappings (
    connection_id uuid NOT NULL REFERENCES book_connections (id),
    -- Topic of the choice: item: item. income, fees, deferred, deposit: account. tax: tax. class: class. customer, supplier: contact. method: method.
    what          text NOT NULL CHECK (what IN ('item', 'income', 'fees', 'deferred', 'deposit', 'tax', 'class', 'customer', 'supplier', 'method')),
    subject       text NOT NULL CHECK (subject <> ''),
    external_id   text NOT NULL CHECK (external_id <> ''),
    set_at        timestamptz NOT NULL,
    set_by        text NOT NULL,
    PRIMARY KEY (connection_id, what, subject)
);

-- Which documents were looked at for a connection, also those of which there is nothing to tell.
CREATE TABLE book_taken (
    connection_id uuid NOT NULL REFERENCES book_connections (id),
    document_id   uuid NOT NULL REFERENCES book_documents (id),
    PRIMARY KEY (connection_id, document_id)
);

-- Which documents are still to be looked at for a connection: those of its days, made by triggers when a document is, or when a program is
-- connected. So looking for them costs what there is to do, and not what was ever told. Its rows are made of connections and documents, which
-- nothing deletes; a key on connections would have a closing wait for whoever changes one.
CREATE TABLE book_untaken (
    connection_id uuid NOT NULL,
    document_id   uuid NOT NULL,
    PRIMARY KEY (connection_id, document_id)
);
-- Neither of two transactions sees what the other has not committed: while documents are made no program is connected, and the other way round.
CREATE FUNCTION await_taking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('book_untaken'));
    INSERT INTO book_untaken (connection_id, document_id)
        SELECT c.id, NEW.id FROM book_connections c JOIN book_days y ON y.id = NEW.day_id WHERE y.day >= c.posts_since
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER book_documents_await_taking AFTER INSERT ON book_documents FOR EACH ROW EXECUTE FUNCTION await_taking();
CREATE FUNCTION await_taking_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('book_untaken'));
    DELETE FROM book_untaken WHERE connection_id = NEW.id;
    INSERT INTO book_untaken (connection_id, document_id)
        SELECT NEW.id, d.id FROM book_days y JOIN book_documents d ON d.day_id = y.id
        WHERE y.day >= NEW.posts_since
          AND NOT EXISTS (SELECT FROM book_taken t WHERE t.connection_id = NEW.id AND t.document_id = d.id)
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER book_connections_await_taking AFTER INSERT OR UPDATE OF posts_since ON book_connections
    FOR EACH ROW EXECUTE FUNCTION await_taking_since();

-- A document, or a part of one, on its way to the program.
CREATE TABLE book_postings (
    id              uuid PRIMARY KEY,
    connection_id   uuid NOT NULL REFERENCES book_connections (id),
    document_id     uuid NOT NULL REFERENCES book_documents (id),
    -- The one order of a business customer that is told for itself; the document's own sale is told without it.
    order_id        uuid REFERENCES orders (id),
    part            text NOT NULL CHECK (part IN ('sale', 'refund', 'fees')),
    number          text NOT NULL CHECK (length(number) BETWEEN 1 AND 21),
    day             date NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor > 0),
    currency        char(3) NOT NULL,
    -- unknown: it may be there; it is looked for before it is told again. rejected: a person must act.
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'posted', 'rejected', 'unknown', 'undone')),
    external_id     text,
    -- Why it is not there, in the operator's words.
    reason          text NOT NULL DEFAULT '',
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- How often a person has let it be told anew: what a program remembers of the telling before is not its answer to the next one.
    round           integer NOT NULL DEFAULT 1 CHECK (round > 0),
    next_attempt_at timestamptz,
    lease_until     timestamptz,
    created_at      timestamptz NOT NULL,
    -- Since when it is waited for: since it was made, or since a person let what was told, refused or reversed be told again.
    waits_since     timestamptz NOT NULL,
    posted_at       timestamptz,
    trace           uuid DEFAULT current_trace(),
    CHECK ((order_id IS NULL) OR part = 'sale'),
    CHECK ((state = 'posted') <= (external_id IS NOT NULL AND posted_at IS NOT NULL)),
    UNIQUE (connection_id, number)
);
CREATE INDEX book_postings_due ON book_postings (connection_id, day, number) WHERE state IN ('pending', 'unknown');
CREATE INDEX book_postings_leased ON book_postings (connection_id, lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX book_postings_wanting ON book_postings (state, waits_since) WHERE state IN ('pending', 'unknown', 'rejected');
CREATE INDEX book_postings_by_day ON book_postings (connection_id, day DESC, number);
CREATE INDEX book_postings_by_document ON book_postings (document_id);

-- How often the program was asked on each day, in UTC. What is about to be asked is counted before it is, so that all portals together
-- stay below what the program allows; `paced_until` moves ahead with each request and is never far from now.
CREATE TABLE book_calls (
    connection_id uuid NOT NULL REFERENCES book_connections (id),
    day           date NOT NULL,
    calls         bigint NOT NULL DEFAULT 0 CHECK (calls >= 0),
    paced_until   timestamptz NOT NULL,
    PRIMARY KEY (connection_id, day)
);

-- What a comparison of both sides found.
CREATE TABLE book_comparisons (
    id            uuid PRIMARY KEY,
    connection_id uuid NOT NULL REFERENCES book_connections (id),
    since         date NOT NULL,
    until         date NOT NULL,
    asked_by      text NOT NULL,
    asked_at      timestamptz NOT NULL,
    lease_until   timestamptz,
    done_at       timestamptz,
    reason        text NOT NULL DEFAULT '',
    -- How many documents are the same on both sides, how many of ours are still to be told, and the list of those that are not the same.
    same          bigint,
    waiting       bigint,
    findings      jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX book_comparisons_open ON book_comparisons (asked_at) WHERE done_at IS NULL;
CREATE INDEX book_comparisons_by_connection ON book_comparisons (connection_id, asked_at DESC);

-- Customers to whom each sale is told for itself, with the program's name of them.
CREATE TABLE book_customers (
    connection_id uuid NOT NULL REFERENCES book_connections (id),
    user_id       uuid NOT NULL REFERENCES users (id),
    external_id   text NOT NULL CHECK (external_id <> ''),
    set_at        timestamptz NOT NULL,
    set_by        text NOT NULL,
    PRIMARY KEY (connection_id, user_id)
);

-- Why: a text message that never arrives, although its provider took it, goes by e-mail after all; whoever does not want e-mails says so
-- with one click; and what somebody else pays for is told in the language of who pays only if its reader has never chosen one.

-- The one way on which news may go; NULL: any. An e-mail in place of a message that never arrived is a row of its own, under a key that is
-- made of the message's: there is one at most, and what became of the message stays written down. A portal from before, which does not
-- know the column, may send such a row by SMS while the portals are replaced.
ALTER TABLE notifications
    ADD COLUMN only_by text CONSTRAINT notifications_only_by CHECK (only_by IN ('sms', 'email'));

ALTER TABLE users
    -- Whether locale was chosen, and is not that of a browser, or nobody's.
    ADD COLUMN locale_chosen boolean NOT NULL DEFAULT false,
    -- When news by e-mail was refused by the link in one; what cannot be refused goes on.
    ADD COLUMN email_refused_at timestamptz;
-- Nothing but a page in Swahili has written Swahili until now.
UPDATE users SET locale_chosen = true WHERE locale <> 'en';

-- The language of the page on which somebody pays for another.
ALTER TABLE orders_for_another
    ADD COLUMN language text CONSTRAINT orders_for_another_language CHECK (language IN ('en', 'sw'));

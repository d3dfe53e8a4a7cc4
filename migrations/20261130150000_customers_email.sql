-- Why: customers can be told by e-mail too, which costs nothing and keeps receipts: where they choose it, and where no text message can be
-- sent. Nothing but the question goes to an address before whoever reads its mail has said that it is theirs.

ALTER TABLE users
    ADD COLUMN email text CONSTRAINT users_email_shape
        CHECK (length(email) <= 254 AND email ~ '^[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+([.][a-z0-9-]+)+$'),
    -- When its reader said that it is theirs.
    ADD COLUMN email_verified_at timestamptz,
    -- What the link in the question is about: the one that was asked last, with its time in it.
    ADD COLUMN email_claim uuid,
    -- What comes first; the other one is for what cannot be sent so.
    ADD COLUMN news_by text NOT NULL DEFAULT 'sms' CONSTRAINT users_news_by CHECK (news_by IN ('sms', 'email')),
    ADD CONSTRAINT users_email_whole CHECK (email IS NOT NULL OR email_verified_at IS NULL AND email_claim IS NULL);
CREATE UNIQUE INDEX users_by_email_claim ON users (email_claim) WHERE email_claim IS NOT NULL;

-- How it was sent; NULL: it was not, or by SMS before there was e-mail.
ALTER TABLE notifications
    ADD COLUMN channel text CONSTRAINT notifications_channel CHECK (channel IN ('sms', 'email'));

-- What an operator writes above an e-mail otherwise than we do. Apart from message_templates, where a row must have a text.
CREATE TABLE message_subjects (
    name       text NOT NULL,
    locale     text NOT NULL CHECK (locale IN ('en', 'sw')),
    subject    text NOT NULL CHECK (subject <> ''),
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (name, locale)
);

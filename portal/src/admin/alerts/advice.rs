//! What to do about each kind of alert, in a few sentences, and where to look. `docs/operations/alerting.md` says more.

use shared::alert::Kind;

/// What to do.
pub(super) fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::DatabaseAway => {
            "Is PostgreSQL running, and does its disk have room? Its log says. Known customers get in meanwhile, and nothing is sold."
        }
        Kind::RadiusdAway => {
            "Start radiusd; its log says why it ended. Routers with a second server in their list use that one."
        }
        Kind::NotStored => {
            "Bring PostgreSQL back, or make room on the spool's disk. Routers keep reports for some minutes only."
        }
        Kind::SpoolGrowing => {
            "Is PostgreSQL there, and fast enough? Nothing is lost until the spool is full. It empties by itself."
        }
        Kind::DiskSpace => {
            "Make room, or enlarge the disk. Old logs and old backups on the same disk are the usual reason."
        }
        Kind::BackupLate => "Look why the last run failed, put it right, and make one now: backup.bash daily.",
        Kind::RestoreDrill => {
            "A backup that cannot be restored is none. Read what the drill says, make a full backup, and try again: drill.bash."
        }
        Kind::CertificateExpiry => {
            "Renew the certificate and put it in place: radiusd reads the files again by itself."
        }
        Kind::RouterSilent => {
            "Is there power, and does the line work? Ask somebody who is there. When the router is back, give the time back with one button."
        }
        Kind::RouterUnheard => {
            "Does it still stand there, and is our address in its RADIUS settings? If it is gone for good, remove it."
        }
        Kind::SessionsLeaking => "Look which router does not obey, and why: the board says it for each session.",
        Kind::ProviderFailing => {
            "Look whether the provider tells of an outage, and whether our key is still good. Messages that wait go out when it is over."
        }
        Kind::PaymentFailures => {
            "Read the reasons at the newest payments. If they are ours, such as a wrong shortcode, they say so."
        }
        Kind::PaymentAttempts => {
            "Look at the payments of that phone or device. Help a customer who cannot pay; a stranger who sends prompts to others has nothing to pay for."
        }
        Kind::MoneyUnmatched => "Say what each payment is for, or give it back. The customer has paid and waits.",
        Kind::LedgerProof => {
            "Change nothing. Find out who has written to the database by hand, and compare with the provider's statement."
        }
        Kind::BooksReconnect => {
            "Connect the program again, as somebody who may do so there. What was not told meanwhile is told then, once each."
        }
        Kind::EtimsBlocked => {
            "Read what the authority says at that branch, mend it, and press Try again: no invoice may come before the one that waits."
        }
        Kind::BooksLate => {
            "Read why at the documents of that program: mostly a choice is missing on its mapping page, or it must be connected again."
        }
        Kind::SmsCredit => "Top the account up, or raise sms.cost_limit_per_day.",
        Kind::FailedLogins => {
            "Look at the security log. If nothing is locked there, ask whether codes are misprinted or a login page is broken."
        }
        Kind::VoucherGuessing => {
            "Who guesses waits by itself. Ask the staff there who it may be; void a batch of which codes have leaked."
        }
        Kind::MacCloned => "Find out which of the two devices has paid, and move its package to another address.",
        Kind::AccountAttack => "Read the security log: it says what was tried, and from where.",
        Kind::DemandUnusual => {
            "Is the line up, does the login page open, can people pay? Ask somebody who is there. If it was expected, say so: those hours are then not learnt from."
        }
        Kind::LoginBurst => {
            "Look at the security log and at the reasons of refusals. Codes that are misprinted look like this, and so does somebody who tries slowly."
        }
        Kind::CapacityNear => {
            "Look at the hours of the next days. Move people to another router, sell less at that hour, or enlarge what is the limit."
        }
        Kind::StaffLogins => {
            "Ask whose account it is. If it was not they, set another password for it, and look at the audit log."
        }
    }
}

/// Where to look: address and label.
pub(super) fn look(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::DatabaseAway | Kind::RadiusdAway | Kind::NotStored | Kind::SpoolGrowing | Kind::DiskSpace => {
            ("/admin/accounting", "Accounting")
        }
        Kind::BackupLate | Kind::RestoreDrill => ("/admin/backups", "Backups"),
        Kind::RouterSilent => ("/admin/outages", "Outages"),
        Kind::DemandUnusual | Kind::CapacityNear => ("/admin/reports/use/next-days", "The next seven days"),
        Kind::RouterUnheard | Kind::CertificateExpiry => ("/admin/routers", "Routers"),
        Kind::SessionsLeaking => ("/admin/sessions/leaking", "Leaking sessions"),
        Kind::ProviderFailing | Kind::SmsCredit => ("/admin/messages", "Messages"),
        Kind::PaymentFailures | Kind::PaymentAttempts | Kind::LedgerProof => ("/admin/payments", "Payments"),
        Kind::MoneyUnmatched => ("/admin/money", "Unmatched money"),
        Kind::BooksReconnect => ("/admin/books/programs", "Programs"),
        Kind::EtimsBlocked => ("/admin/books/etims", "KRA eTIMS"),
        Kind::BooksLate => ("/admin/books/programs", "Accountants' programs"),
        Kind::FailedLogins
        | Kind::LoginBurst
        | Kind::VoucherGuessing
        | Kind::MacCloned
        | Kind::AccountAttack
        | Kind::StaffLogins => ("/admin/security", "Security"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words_of_its_own() {
        let words: std::collections::HashSet<_> = Kind::ALL.into_iter().map(of).collect();
        assert_eq!(words.len(), Kind::ALL.len());
        assert!(Kind::ALL.into_iter().all(|kind| of(kind).ends_with('.') && look(kind).0.starts_with("/admin/")));
    }
}

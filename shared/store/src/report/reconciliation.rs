//! Whether what payments say was received is what the ledger has: sums by the day, and the single cases of which something is not as it should be.
//!
//! Those are found by indexes of what is not as usual: a report of a year reads no payment that is in order. The ledger and money without an order
//! know no site.

use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::rollup::Span;
use crate::{Db, Result};

/// Cases that are listed at most, of each kind.
const LISTED: i64 = 200;

/// A sum of a day, of one provider and currency, in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sum {
    /// The day, such as `2026-11-29`.
    pub day: String,
    /// The provider: `mpesa`, `stripe`.
    pub provider: String,
    /// The currency.
    pub currency: String,
    /// How much, and of what ([`Part`]).
    pub amount: i64,
    /// Its part, in a word.
    pub part: String,
}

/// What a [`Sum`] is a sum of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Payments that succeeded, by when they were begun.
    Paid,
    /// Money that came without an order, by when we were told.
    Came,
    /// Of that, what waits for a person still.
    Waits,
    /// Of payments, those that were paid with money that had come before, by when that was decided.
    Assigned,
    /// What a person booked into the provider's account from a line of a statement that is neither: a transfer to it, a fee that came back, money
    /// that had gone back and came again.
    FromStatements,
    /// What was booked into the provider's account.
    BookedIn,
    /// What was booked out of it: given back, kept as fees, taken by banks.
    BookedOut,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 7] =
        [Part::Paid, Part::Came, Part::Waits, Part::Assigned, Part::FromStatements, Part::BookedIn, Part::BookedOut];

    /// Its word in statements.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Paid => "paid",
            Part::Came => "came",
            Part::Waits => "waits",
            Part::Assigned => "assigned",
            Part::FromStatements => "from_statements",
            Part::BookedIn => "booked_in",
            Part::BookedOut => "booked_out",
        }
    }
}

/// What payments say was received.
pub async fn paid(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Sum>> {
    Ok(sqlx::query_as!(
        Sum,
        r#"SELECT to_char(hour AT TIME ZONE $4, 'YYYY-MM-DD') AS "day!", provider AS "provider!", currency AS "currency!",
                  sum(minor)::bigint AS "amount!", 'paid' AS "part!"
           FROM (SELECT hour, provider, currency, sum(amount_minor) AS minor FROM payments_hourly
                 WHERE hour >= $1 AND hour < $2 AND ($3::uuid IS NULL OR site_id = $3) AND ($5::uuid[] IS NULL OR site_id = ANY ($5))
                   AND provider IN ('mpesa', 'stripe') AND ($6::text IS NULL OR provider = $6)
                 GROUP BY 1, 2, 3) h
           GROUP BY 1, 2, 3"#,
        span.from,
        span.until,
        span.site,
        span.time_zone,
        sites.filter() as Option<&[Uuid]>,
        provider
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What the ledger has booked to the accounts of providers, what of that is of statements, and what came without an order.
///
/// What a line of a statement was booked with bears its name. A fee of Stripe has Stripe's own, since Stripe may have been asked about it first:
/// it is of the statement where both have one moment.
pub async fn booked(db: &Db, span: &Span, provider: Option<&str>) -> Result<Vec<Sum>> {
    Ok(sqlx::query_as!(
        Sum,
        r#"SELECT to_char(at AT TIME ZONE $3, 'YYYY-MM-DD') AS "day!", provider AS "provider!", currency AS "currency!",
                  sum(minor)::bigint AS "amount!", part AS "part!"
           FROM (SELECT h.hour AS at, a.code AS provider, h.currency, v.minor, v.part
                 FROM ledger_hourly h JOIN ledger_accounts a ON a.id = h.account_id,
                      LATERAL (VALUES (h.debit_minor, 'booked_in'), (h.credit_minor, 'booked_out')) v (minor, part)
                 WHERE h.hour >= $1 AND h.hour < $2 AND a.code IN ('mpesa', 'stripe') AND v.minor <> 0
                 UNION ALL
                 SELECT m.received_at, m.provider, m.currency, m.amount_minor, v.part
                 FROM received_money m, LATERAL (VALUES ('came', m.is_booked), ('waits', m.state = 'unmatched')) v (part, counts)
                 WHERE m.state <> 'matched' AND m.provider <> 'bank' AND m.received_at >= $1 AND m.received_at < $2 AND v.counts
                 UNION ALL
                 SELECT m.decided_at, m.provider, m.currency, o.amount_minor, 'assigned'
                 FROM received_money m JOIN orders o ON o.id = m.order_id
                 WHERE m.state = 'assigned' AND m.provider <> 'bank' AND m.decided_at >= $1 AND m.decided_at < $2
                 UNION ALL
                 SELECT l.resolved_at, a.code, e.currency, e.amount_minor, 'from_statements'
                 FROM statement_lines l JOIN ledger_transactions t ON t.id = l.transaction_id
                      JOIN ledger_entries e ON e.transaction_id = t.id AND e.amount_minor > 0
                      JOIN ledger_accounts a ON a.id = e.account_id AND a.code IN ('mpesa', 'stripe')
                 WHERE l.state = 'resolved' AND l.transaction_id IS NOT NULL AND l.resolved_at >= $1 AND l.resolved_at < $2
                   AND (t.key = 'statement:' || l.id OR (t.key = 'fee:' || l.reference AND t.posted_at = l.resolved_at))) all_of_it
           WHERE $4::text IS NULL OR provider = $4
           GROUP BY 1, 2, 3, 5"#,
        span.from,
        span.until,
        span.time_zone,
        provider
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// What became due to customers on a day, and what went back to them, in one currency and in minor units.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Due {
    /// The day, such as `2026-11-29`.
    pub day: String,
    /// The currency.
    pub currency: String,
    /// What became due.
    pub due: i64,
    /// What went back.
    pub went: i64,
}

/// What became due to customers, and went back, on each day on which something did.
pub async fn due(db: &Db, span: &Span) -> Result<Vec<Due>> {
    Ok(sqlx::query_as!(
        Due,
        r#"SELECT to_char(h.hour AT TIME ZONE $3, 'YYYY-MM-DD') AS "day!", h.currency AS "currency!", sum(h.credit_minor)::bigint AS "due!",
                  sum(h.debit_minor)::bigint AS "went!"
           FROM ledger_hourly h JOIN ledger_accounts a ON a.id = h.account_id
           WHERE h.hour >= $1 AND h.hour < $2 AND a.code = 'refunds_due'
           GROUP BY 1, 2 ORDER BY 1, 2"#,
        span.from,
        span.until,
        span.time_zone
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Why a case is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Money came and nobody knows what it is for.
    Unmatched,
    /// Money that came without an order is to go back, and has not gone.
    NotGivenBack,
    /// Nobody knows what became of a payment.
    Unsettled,
    /// The provider told another amount than is booked.
    OtherAmount,
    /// Money came and buys nothing: it belongs to the customer.
    RefundDue,
    /// A bank asks about a payment by card, or has taken it back.
    Disputed,
    /// A payment that is in order.
    Matches,
}

/// A case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Single {
    /// The provider's receipt, or else its name of the payment; empty: it has told none.
    pub reference: String,
    /// The provider.
    pub provider: String,
    /// When it was.
    pub at: OffsetDateTime,
    /// How much, in minor units.
    pub amount: i64,
    /// The currency.
    pub currency: String,
    /// Our state of it.
    pub state: String,
    /// What the provider says: an amount, a state, or its words.
    pub told: String,
    /// The payment; `None`: it is money without one.
    pub payment: Option<Uuid>,
}

/// Money that came without an order and waits, or is to go back.
pub async fn without_order(db: &Db, span: &Span, provider: Option<&str>) -> Result<Vec<Single>> {
    Ok(sqlx::query_as!(
        Single,
        r#"SELECT receipt AS "reference!", provider AS "provider!", received_at AS "at!", amount_minor AS "amount!", currency AS "currency!",
                  state AS "state!", CASE WHEN confirmed_at IS NULL THEN 'told' ELSE 'confirmed' END AS "told!", NULL::uuid AS "payment?"
           FROM received_money
           WHERE (state = 'unmatched' OR (state = 'refunded' AND given_back_at IS NULL)) AND ignored_at IS NULL
             AND received_at >= $1 AND received_at < $2 AND ($3::text IS NULL OR provider = $3)
           ORDER BY received_at DESC, id LIMIT $4"#,
        span.from,
        span.until,
        provider,
        LISTED
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Payments that were begun before `late` and are not settled.
pub async fn unsettled(
    db: &Db,
    span: &Span,
    sites: &SiteScope,
    provider: Option<&str>,
    late: OffsetDateTime,
) -> Result<Vec<Single>> {
    Ok(sqlx::query_as!(
        Single,
        r#"SELECT coalesce(y.receipt, y.checkout_request_id, '') AS "reference!", y.provider AS "provider!", y.created_at AS "at!",
                  y.amount_minor AS "amount!", y.currency AS "currency!", y.state AS "state!", coalesce(y.result_text, '') AS "told!",
                  y.id AS "payment?"
           FROM payments y JOIN orders o ON o.id = y.order_id LEFT JOIN nas n ON n.id = o.nas_id
           WHERE y.state IN ('created', 'prompted', 'unknown', 'confirming') AND y.created_at >= $1 AND y.created_at < least($2::timestamptz, $6::timestamptz)
             AND ($3::uuid IS NULL OR n.site_id = $3) AND ($4::uuid[] IS NULL OR n.site_id = ANY ($4))
             AND ($5::text IS NULL OR y.provider = $5)
           ORDER BY y.created_at DESC, y.id LIMIT $7"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider,
        late,
        LISTED
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Payments of which the provider told another amount than is booked.
pub async fn other_amounts(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Single>> {
    Ok(sqlx::query_as!(
        Single,
        r#"SELECT coalesce(y.receipt, y.checkout_request_id, '') AS "reference!", y.provider AS "provider!", y.created_at AS "at!",
                  y.amount_minor AS "amount!", y.currency AS "currency!", y.state AS "state!", y.told_minor::text AS "told!", y.id AS "payment?"
           FROM payments y JOIN orders o ON o.id = y.order_id LEFT JOIN nas n ON n.id = o.nas_id
           WHERE y.told_minor IS NOT NULL AND y.created_at >= $1 AND y.created_at < $2
             AND ($3::uuid IS NULL OR n.site_id = $3) AND ($4::uuid[] IS NULL OR n.site_id = ANY ($4))
             AND ($5::text IS NULL OR y.provider = $5)
           ORDER BY y.created_at DESC, y.id LIMIT $6"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider,
        LISTED
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Payments whose money buys nothing and has not gone back.
pub async fn refunds_due(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Single>> {
    Ok(sqlx::query_as!(
        Single,
        r#"SELECT coalesce(y.receipt, y.checkout_request_id, '') AS "reference!", y.provider AS "provider!", y.created_at AS "at!",
                  y.amount_minor AS "amount!", y.currency AS "currency!", o.state AS "state!", '' AS "told!", y.id AS "payment?"
           FROM orders o JOIN payments y ON y.order_id = o.id LEFT JOIN nas n ON n.id = o.nas_id
           WHERE o.state = 'refund_due' AND o.created_at >= $1 AND o.created_at < $2 AND y.state = 'succeeded'
             AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = y.id AND r.state = 'done')
             AND ($3::uuid IS NULL OR n.site_id = $3) AND ($4::uuid[] IS NULL OR n.site_id = ANY ($4))
             AND ($5::text IS NULL OR y.provider = $5)
           ORDER BY o.created_at DESC, y.id LIMIT $6"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider,
        LISTED
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// Payments by card about which a bank asks, or which it has taken back and not decided about.
pub async fn disputed(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Single>> {
    Ok(sqlx::query_as!(
        Single,
        r#"SELECT d.reference AS "reference!", y.provider AS "provider!", d.created_at AS "at!", d.amount_minor AS "amount!",
                  d.currency AS "currency!", y.state AS "state!", d.state AS "told!", y.id AS "payment?"
           FROM disputes d JOIN payments y ON y.id = d.payment_id JOIN orders o ON o.id = y.order_id LEFT JOIN nas n ON n.id = o.nas_id
           WHERE d.state IN ('inquiry', 'open') AND d.created_at >= $1 AND d.created_at < $2
             AND ($3::uuid IS NULL OR n.site_id = $3) AND ($4::uuid[] IS NULL OR n.site_id = ANY ($4))
             AND ($5::text IS NULL OR y.provider = $5)
           ORDER BY d.created_at DESC, d.id LIMIT $6"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider,
        LISTED
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

/// The last payments that succeeded.
pub async fn succeeded(db: &Db, span: &Span, sites: &SiteScope, provider: Option<&str>) -> Result<Vec<Single>> {
    Ok(sqlx::query_as!(
        Single,
        r#"SELECT coalesce(y.receipt, y.checkout_request_id, '') AS "reference!", y.provider AS "provider!", y.created_at AS "at!",
                  y.amount_minor AS "amount!", y.currency AS "currency!", y.state AS "state!", coalesce(y.result_text, '') AS "told!",
                  y.id AS "payment?"
           FROM payments y JOIN orders o ON o.id = y.order_id LEFT JOIN nas n ON n.id = o.nas_id
           WHERE y.state = 'succeeded' AND y.created_at >= $1 AND y.created_at < $2
             AND ($3::uuid IS NULL OR n.site_id = $3) AND ($4::uuid[] IS NULL OR n.site_id = ANY ($4))
             AND ($5::text IS NULL OR y.provider = $5)
           ORDER BY y.created_at DESC, y.id LIMIT $6"#,
        span.from,
        span.until,
        span.site,
        sites.filter() as Option<&[Uuid]>,
        provider,
        LISTED
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?)
}

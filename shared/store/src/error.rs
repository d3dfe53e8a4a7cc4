//! What can go wrong in the store, in kinds that callers treat differently.

/// A failed operation. None of the variants carries a secret or a statement's text.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL cannot be reached or did not answer in time: try again, or go on without it.
    #[error("PostgreSQL is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// PostgreSQL did not answer within the time that the caller gives it.
    #[error("PostgreSQL took longer than {patience:?} for {operation}")]
    TooSlow {
        /// What was asked.
        operation: &'static str,
        /// How long it could take.
        patience: std::time::Duration,
    },
    /// A row that must be there is not.
    #[error("there is no {what} {key}")]
    Missing {
        /// The kind of thing.
        what: &'static str,
        /// How it was asked for.
        key: String,
    },
    /// The change contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// An order is not made, or cannot be paid any more; a sentence for the customer.
    #[error("{0}")]
    NotPlaced(crate::order::NotPlaced),
    /// A code for a discount does not count; a sentence for the customer.
    #[error("{0}")]
    Code(shared::discount::CodeProblem),
    /// A stored value is not what it must be.
    #[error("{table} {key}: {problem}")]
    Corrupt {
        /// Where.
        table: &'static str,
        /// Which row.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The schema is older or newer than this program.
    #[error("{0}")]
    Schema(String),
    /// Any other answer of PostgreSQL.
    #[error("PostgreSQL refused: {0}")]
    Refused(#[source] sqlx::Error),
    /// Redis cannot be reached or did not answer in time.
    #[error("Redis is not available: {0}")]
    Redis(#[from] ::redis::RedisError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error),
            sqlx::Error::Database(db) => match db.code().as_deref() {
                // Class 57: operator intervention (shutdown, cannot connect now); 53: resources; 08: connection;
                // 40: rolled back for another transaction's sake; 25006: read-only, as a standby is.
                Some(code) if ["57", "53", "08", "40", "25006"].iter().any(|class| code.starts_with(class)) => {
                    StoreError::Unavailable(error)
                }
                Some("23505") => {
                    StoreError::Conflict(format!("already there ({})", db.constraint().unwrap_or("unique key")))
                }
                _ => StoreError::Refused(error),
            },
            _ => StoreError::Refused(error),
        }
    }
}

impl StoreError {
    /// Whether waiting may help.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::TooSlow { .. } | StoreError::Redis(_))
    }

    pub(crate) fn missing(what: &'static str, key: impl ToString) -> StoreError {
        StoreError::Missing { what, key: key.to_string() }
    }

    pub(crate) fn corrupt(table: &'static str, key: impl ToString, problem: impl ToString) -> StoreError {
        StoreError::Corrupt { table, key: key.to_string(), problem: problem.to_string() }
    }
}

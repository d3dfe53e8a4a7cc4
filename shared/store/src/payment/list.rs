//! What is told of a payment where payments are listed: what became of it, and beside the amount what a report told otherwise later.
//! The lists themselves are the desk's ([`crate::listing`]) and those for programs ([`crate::rest`]).

use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

/// A payment as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its identity.
    pub id: Uuid,
    /// The order's code.
    pub order_code: String,
    /// The order's state.
    pub order_state: String,
    /// Who pays.
    pub phone: Option<Phone>,
    /// The package's name.
    pub package: String,
    /// The amount.
    pub amount: Money,
    /// Its state.
    pub state: String,
    /// Who was asked for it.
    pub provider: String,
    /// The provider's receipt.
    pub receipt: Option<String>,
    /// The provider's code and text, if it failed.
    pub result: Option<String>,
    /// Another amount than is booked, which a report told later.
    pub told: Option<Money>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

//! What an engine asks for, one request after the other: the seam between the loop that sends and listens
//! ([`crate::engine`]) and what is said ([`crate::login`], [`crate::accounting`]).
//!
//! The engine keeps a request's [`Work::Ask`] until its answer has come or it is given up, and hands it back then.

use ::tests::dice::Dice;
use radius_proto::{BuildError, MAX_PACKET};

use crate::request::{Answer, Fault};

/// What is asked for.
pub(crate) trait Work {
    /// What one request is about.
    type Ask: Copy;

    /// Chooses what to ask for next; `None`: there is nothing now.
    fn choose(&mut self, dice: &mut Dice) -> Option<Self::Ask>;

    /// Which of the plan's servers is asked for this.
    fn server(&self, ask: Self::Ask) -> usize;

    /// Writes the request. Returns its octets and its Request Authenticator.
    ///
    /// # Errors
    /// If the attributes do not fit.
    fn write<'b>(
        &mut self,
        ask: Self::Ask,
        identifier: u8,
        dice: &mut Dice,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<(&'b [u8], [u8; 16]), BuildError>;

    /// What an answer to the request with this Authenticator says, if it is right in every respect.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self, ask: Self::Ask, reply: &[u8], authenticator: &[u8; 16]) -> Result<Answer, Fault>;

    /// A right answer has come in time.
    fn answered(&mut self, ask: Self::Ask, answer: Answer, reply: &[u8]);

    /// No answer has come.
    fn given_up(&mut self, ask: Self::Ask);

    /// Whether nothing will be asked for any more.
    fn is_over(&self) -> bool;
}

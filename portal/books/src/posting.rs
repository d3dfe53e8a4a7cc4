//! A document as every accountant's program understands it: amounts and names of ours, and the program's own names of the accounts, items
//! and taxes that the operator chose for them.

use time::Date;

/// What a document tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// What was sold and paid.
    Sale,
    /// What went back.
    Refund,
    /// What the provider of the payments kept.
    Fees,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Sale, Part::Refund, Part::Fees];

    /// Its word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Sale => "sale",
            Part::Refund => "refund",
            Part::Fees => "fees",
        }
    }

    /// The part of this word.
    pub fn named(word: &str) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.as_str() == word)
    }
}

/// How a sale is told, where a program knows more than one way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Style {
    /// As something that was sold and paid at once: a day's sales, and whoever has no name.
    #[default]
    Receipt,
    /// As an invoice and its payment: a business customer who has a name, and wants to see both.
    Invoice,
}

/// A document to be told. All amounts are zero or more: what it means for the books is said by [`Part`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posting {
    /// Its name, at most [`crate::number::LENGTH_MAX`] characters; the same whenever it is told.
    pub number: String,
    /// What it tells.
    pub part: Part,
    /// How, if it is a sale. A program that knows one way only passes over it.
    pub style: Style,
    /// The day of it, where it was sold.
    pub day: Date,
    /// The currency, such as `KES`.
    pub currency: String,
    /// Its lines; never empty.
    pub lines: Vec<Line>,
    /// To whom it is written: the program's name of the customer (of the supplier, for fees).
    pub contact: String,
    /// Where the money is: the program's name of the account.
    pub deposit: String,
    /// The program's name of the way of payment, where the operator chose one.
    pub method: Option<String>,
    /// The program's name of the class, tracking option or branch, where the operator chose one.
    pub class: Option<String>,
    /// A sentence for whoever reads it there.
    pub memo: String,
}

impl Posting {
    /// What it comes to, in minor units.
    pub fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.gross).sum()
    }
}

/// A line of a [`Posting`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// What it is, in the operator's words.
    pub description: String,
    /// How many; 1 where it cannot be counted.
    pub quantity: i64,
    /// What they come to together, tax included, in minor units.
    pub gross: i64,
    /// The tax in it, in minor units.
    pub tax: i64,
    /// The program's name of what was sold, where it wants one.
    pub item: Option<String>,
    /// The program's name of the account of income or expense.
    pub account: String,
    /// The program's name of the tax, where the operator chose one.
    pub tax_code: Option<String>,
}

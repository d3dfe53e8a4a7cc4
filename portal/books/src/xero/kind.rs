//! What each part of our books is in Xero, and under which names it stands there.

use crate::posting::Part;

/// A kind of Xero's documents.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its `Type`.
    pub(super) word: &'static str,
    /// Where such documents are, and the field in which a list of them stands.
    pub(super) list: &'static str,
    /// What one of them is called where something else names it.
    pub(super) singular: &'static str,
    /// The field of Xero's identifier.
    pub(super) id: &'static str,
    /// The field in which our number stands.
    pub(super) number: &'static str,
    /// The field of what is still to be paid of it, where it is paid by something else.
    pub(super) due: Option<&'static str>,
}

/// Its numbers are unique among those that count, and Xero sees to that.
const INVOICE: Kind = Kind {
    word: "ACCREC",
    list: "Invoices",
    singular: "Invoice",
    id: "InvoiceID",
    number: "InvoiceNumber",
    due: Some("AmountDue"),
};

/// Its numbers are said to be unique.
const CREDIT_NOTE: Kind = Kind {
    word: "ACCRECCREDIT",
    list: "CreditNotes",
    singular: "CreditNote",
    id: "CreditNoteID",
    number: "CreditNoteNumber",
    due: Some("RemainingCredit"),
};

/// It has no number, so that its reference is ours, and nobody sees to it that there is one of it only.
const SPENT: Kind = Kind {
    word: "SPEND",
    list: "BankTransactions",
    singular: "BankTransaction",
    id: "BankTransactionID",
    number: "Reference",
    due: None,
};

impl Kind {
    /// What this part is.
    pub(super) fn of(part: Part) -> &'static Kind {
        match part {
            Part::Sale => &INVOICE,
            Part::Refund => &CREDIT_NOTE,
            Part::Fees => &SPENT,
        }
    }
}

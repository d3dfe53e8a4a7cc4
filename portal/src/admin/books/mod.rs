//! `/admin/books`: the operator's bookkeeping.

pub(super) mod statements;

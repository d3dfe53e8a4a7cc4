//! Frozen rules, each set kept once: a million customers have bought a handful of packages.
//!
//! The table holds them weakly, so that rules nobody has any more go with their last customer.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::policy::Terms;

/// The terms in use.
#[derive(Debug, Default)]
pub(super) struct SharedTerms {
    known: Mutex<Known>,
    // What is hashed comes from the operator's packages, not from guests.
    state: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    table: HashTable<(u64, Weak<Terms>)>,
    /// When there are more than this, those that nobody has are cleared away.
    clear_above: usize,
}

impl SharedTerms {
    /// The shared copy of terms like these.
    pub(super) fn share(&self, terms: Terms) -> Arc<Terms> {
        let hash = self.state.hash_one(&terms);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        known.table.find(hash, |(_, weak)| {
            found = weak.upgrade().filter(|same| **same == terms);
            found.is_some()
        });
        found.unwrap_or_else(|| known.insert(hash, terms))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).table.len()
    }
}

impl Known {
    fn insert(&mut self, hash: u64, terms: Terms) -> Arc<Terms> {
        if self.table.len() >= self.clear_above {
            self.table.retain(|(_, weak)| weak.strong_count() > 0);
            self.clear_above = (self.table.len() * 2).max(64);
        }
        let shared = Arc::new(terms);
        self.table.insert_unique(hash, (hash, Arc::downgrade(&shared)), |(hash, _)| *hash);
        shared
    }
}

#[cfg(test)]
mod tests {
    use shared::rules::Rules;

    use super::*;

    fn terms(package: &str) -> Terms {
        Terms::new(package, Rules::default())
    }

    #[test]
    fn equal_terms_are_one_and_others_stay_apart() {
        let shared = SharedTerms::default();
        let hour = shared.share(terms("1 hour"));
        assert!(Arc::ptr_eq(&hour, &shared.share(terms("1 hour"))));
        assert!(!Arc::ptr_eq(
            &hour,
            &shared.share(Terms::new("1 hour", Rules { device_limit: 2, ..Rules::default() }))
        ));
        assert_eq!(hour.package.as_ref(), "1 hour");
    }

    #[test]
    fn terms_that_nobody_has_are_let_go() {
        let shared = SharedTerms::default();
        let kept = shared.share(terms("kept"));
        for number in 0..10_000 {
            shared.share(terms(&number.to_string()));
        }
        assert!(shared.len() <= 64, "{}", shared.len());
        assert!(Arc::ptr_eq(&kept, &shared.share(terms("kept"))));
    }
}

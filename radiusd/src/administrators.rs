//! Who may sign in to the routers themselves (RouterOS service `login`): a short list in memory, read with the list of
//! routers. It knows no guest, and the directory of guests knows nobody of it.

use std::collections::HashMap;

use store::router_login::RouterLogin;
use uuid::Uuid;

/// All administrators.
#[derive(Debug, Default)]
pub(crate) struct Administrators {
    by_name: HashMap<Box<[u8]>, RouterLogin>,
}

impl Administrators {
    /// Makes the list.
    pub(crate) fn new(list: Vec<RouterLogin>) -> Administrators {
        Administrators { by_name: list.into_iter().map(|login| (login.name.as_bytes().into(), login)).collect() }
    }

    /// The administrator of that name, if this router is theirs.
    pub(crate) fn find(&self, name: &[u8], nas: Uuid) -> Option<&RouterLogin> {
        self.by_name.get(name).filter(|login| login.nas.is_none_or(|only| only == nas))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_for_one_router_opens_no_other() {
        let login = |name: &str, nas| RouterLogin {
            id: Uuid::nil(),
            name: name.into(),
            password: b"pw".to_vec().into(),
            group: "full".into(),
            nas,
        };
        let (here, there) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let list = Administrators::new(vec![login("amina", Some(here)), login("juma", None)]);
        assert!(list.find(b"amina", here).is_some() && list.find(b"amina", there).is_none());
        assert!(list.find(b"juma", here).is_some() && list.find(b"juma", there).is_some());
        assert!(list.find(b"AMINA", here).is_none());
    }
}

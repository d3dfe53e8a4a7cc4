//! Reading everything: page by page in the order of ids, so that no more than a few pages are in memory beside the
//! directory itself.
//!
//! At the start [`everything`] does it with several connections at once, since opening the sealed names and passwords is
//! work for more than one core. Later a [`Rereading`] goes through the pages one by one, between looks at the changes,
//! so that a change never waits for it. Both end by forgetting what no page had: each reading has a version, and what
//! was read last before the first page is not there any more.

use std::sync::Arc;

use shared::time::{Clock, OffsetDateTime};
use store::directory::{self as source, Entry, Snapshot, Version};
use store::{Db, StoreError};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Directory;

/// Entitlements in a page at the start; a page takes about two megabytes while it is read.
const PAGE: u32 = 5_000;
/// Entitlements in a page between looks at the changes: it must be over within milliseconds.
const SMALL_PAGE: u32 = 1_000;
/// Most connections that read at the same time; half of what the pool has by default.
const READERS_MAX: usize = 8;
/// How often what may be gone is read again. Each time it would have to be removed meanwhile.
const TRIES: usize = 3;

/// How far the pages have been handed out.
#[derive(Debug)]
struct Pages {
    after: Uuid,
    rows: u32,
    done: bool,
}

impl Pages {
    fn new(rows: u32) -> Pages {
        Pages { after: Uuid::nil(), rows, done: false }
    }

    /// The bounds of the next page; an open end is the last one's.
    async fn next(&mut self, db: &Db) -> Result<Option<(Uuid, Option<Uuid>)>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let (after, until) = (self.after, source::end_of_page(db, self.after, self.rows).await?);
        match until {
            Some(until) => self.after = until,
            None => self.done = true,
        }
        Ok(Some((after, until)))
    }
}

/// Reads everything that there is, as of `since` or later, and forgets what was there before and is not any more.
pub(super) async fn everything(
    db: &Db,
    clock: &Clock,
    directory: &Arc<Directory>,
    since: &Snapshot,
) -> Result<(), StoreError> {
    let pages = Arc::new(Mutex::new(Pages::new(PAGE)));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut readers: JoinSet<Result<(), StoreError>> = JoinSet::new();
    for _ in 0..(cores + 1).min(READERS_MAX) {
        let (db, directory, pages, now) = (db.clone(), Arc::clone(directory), Arc::clone(&pages), clock.now());
        readers.spawn(async move {
            loop {
                let Some((after, until)) = pages.lock().await.next(&db).await? else { return Ok(()) };
                page(&db, &directory, after, until, now).await?;
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
    }
    directory.forget_before(since.version());
    Ok(())
}

async fn page(
    db: &Db,
    directory: &Directory,
    after: Uuid,
    until: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    put_all(db, directory, source::read_page(db, after, until, now).await?, now).await
}

/// Puts what was read. A reading that is not used is either older than what is there, or of something that may be gone:
/// that is read again, since nothing would tell of it otherwise.
pub(super) async fn put_all(
    db: &Db,
    directory: &Directory,
    entries: Vec<Entry>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let put = |entries: Vec<Entry>| -> Vec<Uuid> {
        let mut doubtful = Vec::new();
        for entry in entries {
            let id = entry.entitlement.id;
            if !directory.put(entry, now) && directory.entitlement(id).is_none() {
                doubtful.push(id);
            }
        }
        doubtful
    };
    let mut doubtful = put(entries);
    for _ in 0..TRIES {
        if doubtful.is_empty() {
            break;
        }
        doubtful = put(source::read(db, &doubtful).await?);
    }
    Ok(())
}

/// A reading of everything that goes on beside the following of changes.
#[derive(Debug)]
pub(super) struct Rereading {
    pages: Pages,
    since: Version,
    /// Memory lacks something until this is done; without it, this is only a check.
    pub(super) owed: bool,
    /// It was asked for once more while it was under way.
    again: Option<Version>,
}

impl Rereading {
    /// Begins to read everything as of `since` or later.
    pub(super) fn new(since: &Snapshot, owed: bool) -> Rereading {
        Rereading { pages: Pages::new(SMALL_PAGE), since: since.version(), owed, again: None }
    }

    /// Asks for everything as of `since` or later. What is under way goes on first, or requests that keep coming would
    /// never let it reach the last page.
    pub(super) fn ask_again(&mut self, since: &Snapshot) {
        self.owed = true;
        self.again = Some(since.version());
    }

    /// Reads one page. `true`: that was the last one.
    pub(super) async fn step(
        &mut self,
        db: &Db,
        directory: &Directory,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        // Taken over only when it is read: after a failure the same page is read again.
        let mut pages = Pages { ..self.pages };
        if let Some((after, until)) = pages.next(db).await? {
            page(db, directory, after, until, now).await?;
        }
        self.pages = pages;
        if !self.pages.done {
            return Ok(false);
        }
        directory.forget_before(self.since);
        match self.again.take() {
            Some(since) => (self.pages, self.since) = (Pages::new(SMALL_PAGE), since),
            None => return Ok(true),
        }
        Ok(false)
    }
}

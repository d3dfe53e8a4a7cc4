//! An accountant's program, simulated: documents under numbers, lists from which an operator chooses, tokens, and everything that goes wrong
//! on the way there and back. [`quickbooks`] speaks QuickBooks Online's dialect.
//!
//! ```text
//!  client ──HTTP──► a dialect ──► Books (documents by identity and number, requests that it has seen, counts)
//!                      └─ faults: the next writes go wrong in these ways
//! ```
//!
//! A test says which faults come next, holds answers back, and looks at what there is. Everything is found by a map, so that a year of
//! documents is no slower than a day. Left out: rates of tax, stock, and who may do what.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

pub mod quickbooks;

use crate::daraja::cut::{Scissors, Severable};

/// How long open connections may finish after the end.
const LINGER: Duration = Duration::from_millis(500);

/// What goes wrong with a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// 429, with or without seconds in `Retry-After`. It is not done.
    TooMany(Option<u32>),
    /// It is done, and the connection breaks before it is answered.
    LosesTheAnswer,
    /// It is done, and 503 is answered.
    FailsAfterwards,
    /// It is not done, and 500 is answered.
    Fails,
    /// The connection breaks before it is done.
    Drops,
    /// 401: the token is not good any more, and another one must be asked for.
    Expires,
    /// A fault with the status 200. It is not done.
    FaultOnOk,
    /// 403: whoever asks may not do so. It is not done.
    Forbids,
}

/// A document that it holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    /// What it is, such as `SalesReceipt`.
    pub entity: String,
    /// Its identity there.
    pub id: String,
    /// How often it was changed.
    pub version: u32,
    /// Its number.
    pub number: String,
    /// Its day, as `2026-11-22`.
    pub day: String,
    /// What it comes to, in minor units.
    pub total: i64,
    /// Whether it counts no more.
    pub is_void: bool,
    /// As it was told.
    pub body: Value,
}

/// What it holds and has seen.
#[derive(Debug, Default)]
pub struct Books {
    documents: HashMap<(String, String), Document>,
    numbers: HashMap<(String, String), Vec<String>>,
    days: BTreeMap<(String, String), Vec<String>>,
    /// What was answered under the name of a request.
    answered: HashMap<String, Value>,
    /// Requests by what was asked: `create`, `read`, `query`, `undo`, `token`.
    calls: BTreeMap<&'static str, u64>,
    faults: VecDeque<Fault>,
    lists: HashMap<String, Vec<Value>>,
    made: u64,
    /// How many tokens were given out.
    tokens: u64,
    held: bool,
    under_way: u32,
    most_under_way: u32,
}

impl Books {
    /// Every document that it has, by number.
    #[must_use]
    pub fn documents(&self) -> Vec<Document> {
        let mut all: Vec<Document> = self.documents.values().cloned().collect();
        all.sort_by(|one, other| (&one.number, &one.entity, &one.id).cmp(&(&other.number, &other.entity, &other.id)));
        all
    }

    /// Those of a number, also what is void.
    #[must_use]
    pub fn numbered(&self, number: &str) -> Vec<Document> {
        self.documents().into_iter().filter(|document| document.number == number).collect()
    }

    /// How many documents there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.documents.len()
    }

    /// How often it was asked, by what.
    #[must_use]
    pub fn calls(&self) -> &BTreeMap<&'static str, u64> {
        &self.calls
    }

    /// How many faults are still to come.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.faults.len()
    }

    /// How many requests were under way at the same time at most.
    #[must_use]
    pub fn most_under_way(&self) -> u32 {
        self.most_under_way
    }

    fn token(&self) -> String {
        format!("access-{}", self.tokens)
    }

    fn of_number(&self, entity: &str, number: &str) -> Vec<&Document> {
        let ids = self.numbers.get(&(entity.to_owned(), number.to_owned())).into_iter().flatten();
        ids.filter_map(|id| self.documents.get(&(entity.to_owned(), id.clone()))).collect()
    }

    fn of_days(&self, entity: &str, since: &str, until: &str) -> Vec<&Document> {
        let range = (entity.to_owned(), since.to_owned())..=(entity.to_owned(), until.to_owned());
        let ids = self.days.range(range).flat_map(|(_, ids)| ids);
        ids.filter_map(|id| self.documents.get(&(entity.to_owned(), id.clone()))).collect()
    }

    fn insert(&mut self, entity: &str, number: &str, day: &str, total: i64, body: Value) -> Document {
        self.made += 1;
        let document = Document {
            entity: entity.to_owned(),
            id: self.made.to_string(),
            version: 0,
            number: number.to_owned(),
            day: day.to_owned(),
            total,
            is_void: false,
            body,
        };
        let key = |name: &str| (entity.to_owned(), name.to_owned());
        self.numbers.entry(key(number)).or_default().push(document.id.clone());
        self.days.entry(key(day)).or_default().push(document.id.clone());
        self.documents.insert(key(&document.id), document.clone());
        document
    }

    fn remove(&mut self, entity: &str, id: &str) -> Option<Document> {
        let key = |name: &str| (entity.to_owned(), name.to_owned());
        let gone = self.documents.remove(&key(id))?;
        if let Some(ids) = self.numbers.get_mut(&key(&gone.number)) {
            ids.retain(|one| one != id);
        }
        if let Some(ids) = self.days.get_mut(&key(&gone.day)) {
            ids.retain(|one| one != id);
        }
        Some(gone)
    }
}

#[derive(Debug)]
pub(crate) struct Shell {
    books: Mutex<Books>,
    changed: watch::Sender<u64>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Shell {
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        let answer = act(&mut self.lock());
        self.changed.send_modify(|revision| *revision = revision.wrapping_add(1));
        answer
    }
}

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct BooksSim {
    shell: Arc<Shell>,
    address: SocketAddr,
}

impl BooksSim {
    /// Starts QuickBooks Online, with some of what can be chosen in it, on a free port of loopback.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn quickbooks() -> std::io::Result<BooksSim> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let books = Books { lists: quickbooks::lists(), tokens: 1, ..Books::default() };
        let shell = Arc::new(Shell {
            books: Mutex::new(books),
            changed: watch::Sender::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shell.tasks.spawn(serve(Arc::clone(&shell), listener));
        Ok(BooksSim { shell, address })
    }

    /// The section of the configuration that leads here.
    #[must_use]
    pub fn section(&self) -> String {
        let url = format!("http://{}", self.address);
        format!(
            "\n[quickbooks]\nclient_id = \"app\"\nclient_secret = \"secret\"\nbase_url = \"{url}\"\n\
             authorize_url = \"{url}/connect\"\ntoken_url = \"{url}/tokens\"\nrevoke_url = \"{url}/revoke\"\ntimeout_ms = 2000\n"
        )
    }

    /// The access token that is good now.
    #[must_use]
    pub fn token(&self) -> String {
        self.shell.lock().token()
    }

    /// Looks at what it holds.
    pub fn read<T>(&self, look: impl FnOnce(&Books) -> T) -> T {
        look(&self.shell.lock())
    }

    /// Lets the next writes go wrong, one after the other.
    pub fn fail(&self, faults: &[Fault]) {
        self.shell.with(|books| books.faults.extend(faults));
    }

    /// While true, writes are done and their answers held back.
    pub fn hold(&self, held: bool) {
        self.shell.with(|books| books.held = held);
    }

    /// Somebody there writes a document, whatever is told from elsewhere.
    pub fn write(&self, entity: &str, number: &str, day: &str, total: i64) -> Document {
        self.shell.with(|books| books.insert(entity, number, day, total, Value::Null))
    }

    /// Somebody there deletes the documents of a number. Returns how many.
    pub fn delete(&self, number: &str) -> usize {
        self.shell.with(|books| {
            let all = books.numbered(number);
            all.iter().filter(|document| books.remove(&document.entity, &document.id).is_some()).count()
        })
    }

    /// Somebody there changes what a document comes to.
    pub fn change(&self, number: &str, total: i64) {
        self.shell.with(|books| {
            for document in books.documents.values_mut().filter(|document| document.number == number) {
                document.total = total;
                document.version += 1;
            }
        });
    }

    /// Waits until a condition holds.
    ///
    /// # Panics
    /// If it does not within ten seconds.
    pub async fn wait_for(&self, what: &str, condition: impl Fn(&Books) -> bool) {
        let mut changes = self.shell.changed.subscribe();
        let held = tokio::time::timeout(Duration::from_secs(10), async {
            while !condition(&self.shell.lock()) {
                // The sender lives as long as the shell; a change that came in between is seen at once.
                changes.changed().await.ok();
            }
        });
        assert!(held.await.is_ok(), "{what}");
    }
}

async fn serve(shell: Arc<Shell>, listener: TcpListener) {
    let stop = shell.stop.clone();
    let service = quickbooks::router(shell).into_make_service_with_connect_info::<Scissors>();
    let serving = axum::serve(Severable(listener), service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served { warn!(%error, "the server has failed") },
        () = patience => {}
    }
}

impl Drop for BooksSim {
    fn drop(&mut self) {
        self.shell.stop.cancel();
    }
}

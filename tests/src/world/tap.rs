//! A tap between a program and a server on a Unix socket: open, it passes everything on; cut, it breaks every
//! connection and refuses new ones, as a server that is stopped does; held, it takes everything and passes nothing on,
//! as a network does that drops packets in silence.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

use super::lab::free_port;

/// The tap.
pub struct Tap {
    path: PathBuf,
    server: Server,
    cut: watch::Sender<u64>,
    held: watch::Sender<bool>,
    open: Arc<AtomicBool>,
    port: u16,
}

#[derive(Clone)]
enum Server {
    Unix(PathBuf),
    Tcp(String),
}

impl Tap {
    /// A tap before PostgreSQL: programs connect with `host=directory`.
    pub(super) async fn postgres(directory: &Path, options: &PgConnectOptions) -> Tap {
        let server = match options.get_socket() {
            Some(socket) => Server::Unix(socket.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Server::Tcp(format!("{}:{}", options.get_host(), options.get_port())),
        };
        Tap::start(directory.join(".s.PGSQL.5432"), server)
    }

    /// A tap before Redis.
    pub(super) async fn redis(directory: &Path, url: &str) -> Tap {
        let server = match url.split_once("unix://") {
            Some((_, path)) => Server::Unix(path.into()),
            None => Server::Tcp(url.trim_start_matches("redis://").trim_end_matches('/').to_owned()),
        };
        Tap::start(directory.join("redis.sock"), server)
    }

    fn start(path: PathBuf, server: Server) -> Tap {
        let port = free_port(Ipv4Addr::LOCALHOST);
        let (cut, held, open) = (watch::Sender::new(0), watch::Sender::new(false), Arc::new(AtomicBool::new(false)));
        let tap = Tap { path, server, cut, held, open, port };
        tap.mend();
        tap
    }

    /// A port that was free when the tap was made, and stays so while what listens there is dead.
    pub(super) fn spare_port(&self) -> u16 {
        self.port
    }

    /// Breaks every connection and refuses new ones.
    pub fn cut(&self) {
        self.open.store(false, Ordering::SeqCst);
        drop(std::fs::remove_file(&self.path));
        self.cut.send_modify(|count| *count += 1);
    }

    /// From now on nothing passes, and nobody is told.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets pass again what was held, and what comes.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Lets connections through again.
    ///
    /// # Panics
    /// If the socket cannot be made.
    pub fn mend(&self) {
        if self.open.swap(true, Ordering::SeqCst) {
            return;
        }
        let listener = UnixListener::bind(&self.path).expect("a socket in the test's folder");
        let (server, mut cut, open) = (self.server.clone(), self.cut.subscribe(), Arc::clone(&self.open));
        let held = self.held.subscribe();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = cut.changed() => return,
                };
                let Ok((client, _)) = accepted else { return };
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                tokio::spawn(pass(client, server.clone(), cut.clone(), held.clone()));
            }
        });
    }
}

async fn pass(client: UnixStream, server: Server, mut cut: watch::Receiver<u64>, held: watch::Receiver<bool>) {
    let work = async {
        match server {
            Server::Unix(path) => {
                between(client.into_split(), UnixStream::connect(path).await?.into_split(), held).await
            }
            Server::Tcp(address) => {
                between(client.into_split(), TcpStream::connect(address).await?.into_split(), held).await
            }
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        // Either side hung up: the other hears of it by the drop.
        _ = work => {}
        _ = cut.changed() => {}
    }
}

/// Passes on what either side says until one of them hangs up.
async fn between(
    client: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    server: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    held: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = one_way(client.0, server.1, held.clone()) => {}
        _ = one_way(server.0, client.1, held) => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut held: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 || held.wait_for(|held| !held).await.is_err() {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

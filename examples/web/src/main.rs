//! A page that counts its visits in SQLite, over HTTP and, if asked, HTTPS.
//!
//! PORT        where to serve HTTP (8080)
//! HTTPS_PORT  where to serve HTTPS too, with a certificate that is made at start; none by default
//! DATABASE    the file that keeps the visits; in memory by default

use std::env;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use axum::serve::Listener;
use axum::Router;
use rusqlite::Connection;
use rustls::pki_types::PrivateKeyDer;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{signal, SignalKind};
use tokio_rustls::server::TlsStream;
use tokio_rustls::TlsAcceptor;

type Visits = Arc<Mutex<Connection>>;
type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let visits = open(&env::var("DATABASE").unwrap_or_else(|_| ":memory:".into()))?;
    let app = Router::new()
        .route("/", get(page))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(Arc::new(Mutex::new(visits)));

    if let Ok(port) = env::var("HTTPS_PORT") {
        let listener = Tls { tcp: listen(&port).await?, acceptor: acceptor()? };
        println!("https://{}", listener.local_addr()?);
        let app = app.clone();
        tokio::spawn(async move { axum::serve(listener, app).await });
    }
    let listener = listen(&env::var("PORT").unwrap_or_else(|_| "8080".into())).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    println!("stopped");
    Ok(())
}

fn open(path: &str) -> rusqlite::Result<Connection> {
    let visits = Connection::open(path)?;
    visits.execute("CREATE TABLE IF NOT EXISTS visit (at TEXT DEFAULT CURRENT_TIMESTAMP)", ())?;
    Ok(visits)
}

async fn page(State(visits): State<Visits>) -> Result<Html<String>, String> {
    let count = count(&visits.lock().unwrap()).map_err(|error| error.to_string())?;
    Ok(Html(format!(
        "<!doctype html><title>web</title><h1>Hello from krust!</h1><p>Visits: {count}. SQLite {}.</p>\n",
        rusqlite::version()
    )))
}

fn count(visits: &Connection) -> rusqlite::Result<u64> {
    visits.execute("INSERT INTO visit DEFAULT VALUES", ())?;
    visits.query_row("SELECT count(*) FROM visit", (), |row| row.get(0))
}

async fn listen(port: &str) -> Result<TcpListener, Failure> {
    let port = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?)
}

/// The first process in a container gets SIGTERM from `docker stop`, and has no default for it.
async fn stopped() {
    let mut terminated = signal(SignalKind::terminate()).expect("SIGTERM has a handler");
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// TLS with a key of its own, signed by itself.
fn acceptor() -> Result<TlsAcceptor, Failure> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der())?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// The next connection whose handshake works. One at a time: this is an example.
    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

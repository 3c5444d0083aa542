"""A workspace of many services, as a company has them: each a package with a binary, all with one library.

The services are small HTTP servers of the standard library alone, so that compiling them takes seconds, not minutes,
and the same seconds whatever the registry of crates has today. Nothing is random: the same number gives the same files.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = """\
[workspace]
members = ["shared", "services/*"]
resolver = "2"

[workspace.package]
version = "1.0.0"
edition = "2021"

[workspace.dependencies]
shared = { path = "shared" }

[workspace.metadata.krust]
env = { RUST_BACKTRACE = "1" }
ports = [8080]
"""

_PACKAGE = """\
[package]
name = "NAME"
version.workspace = true
edition.workspace = true
"""

_SHARED = r"""//! What all services have: requests, answers, routes, counters, and a server.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(value) => write!(f, "{value}"),
            Json::Text(text) => write!(f, "{text:?}"),
            Json::List(items) => {
                f.write_char('[')?;
                for (place, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if place > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
            Json::Object(fields) => {
                f.write_char('{')?;
                for (place, (name, item)) in fields.iter().enumerate() {
                    write!(f, "{}{name:?}:{item}", if place > 0 { "," } else { "" })?;
                }
                f.write_char('}')
            }
        }
    }
}

#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn read(stream: &mut impl BufRead) -> io::Result<Request> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let mut word = || words.next().map(str::to_owned).ok_or(io::ErrorKind::InvalidData);
        let mut request = Request { method: word()?, path: word()?, ..Request::default() };
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 || line.trim().is_empty() {
                return Ok(request);
            }
            if let Some((name, value)) = line.split_once(':') {
                request.headers.insert(name.trim().to_lowercase(), value.trim().to_owned());
            }
        }
    }
}

pub type Answer = Result<Json, String>;

#[derive(Default)]
pub struct Service {
    routes: Vec<(String, Box<dyn Fn(&Request) -> Answer + Send + Sync>)>,
    counts: Mutex<BTreeMap<String, u64>>,
    served: AtomicU64,
}

impl Service {
    pub fn route(mut self, path: &str, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        self.routes.push((path.to_owned(), Box::new(answer)));
        self
    }

    pub fn answer(&self, request: &Request) -> (u16, String) {
        self.served.fetch_add(1, Ordering::Relaxed);
        *self.counts.lock().unwrap().entry(request.path.clone()).or_default() += 1;
        match self.routes.iter().find(|(path, _)| *path == request.path) {
            Some((_, answer)) => match answer(request) {
                Ok(json) => (200, json.to_string()),
                Err(fault) => (500, Json::Text(fault).to_string()),
            },
            None => (404, Json::Null.to_string()),
        }
    }

    pub fn serve(self, address: &str) -> io::Result<()> {
        let service = Arc::new(self);
        for stream in TcpListener::bind(address)?.incoming() {
            let (service, stream) = (service.clone(), stream?);
            thread::spawn(move || service.talk(stream));
        }
        Ok(())
    }

    fn talk(&self, stream: TcpStream) -> io::Result<()> {
        let request = Request::read(&mut BufReader::new(&stream))?;
        let (status, body) = self.answer(&request);
        write!(&stream, "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    pub id: u64,
    pub customer: String,
    pub lines: Vec<(String, u32)>,
}

pub fn orders(count: u64, seed: u64) -> Vec<Order> {
    (0..count)
        .map(|id| Order {
            id,
            customer: format!("customer-{}", id * seed % 97),
            lines: (0..id % 5).map(|line| (format!("item-{line}"), (id as u32 ^ line as u32) % 11)).collect(),
        })
        .collect()
}

/// How many orders each customer has, and how many items in them.
pub fn report(mut orders: Vec<Order>) -> Json {
    orders.sort_by(|one, other| one.customer.cmp(&other.customer).then(other.id.cmp(&one.id)));
    let mut found: HashMap<&str, VecDeque<&Order>> = HashMap::new();
    for order in &orders {
        found.entry(&order.customer).or_default().push_back(order);
    }
    let mut fields = BTreeMap::new();
    for (customer, found) in found {
        let total: u32 = found.iter().flat_map(|order| &order.lines).map(|(_, count)| count).sum();
        let both = [Json::Number(found.len() as f64), Json::Number(total.into())];
        fields.insert(customer.to_owned(), Json::List(both.to_vec()));
    }
    Json::Object(fields)
}
"""

_MAIN = r"""use shared::{orders, report, Json, Request, Service};

const NAME: &str = "NAME";

fn main() -> std::io::Result<()> {
    let service = Service::default()
        .route("/", |_| Ok(Json::Text(NAME.to_owned())))
        .route("/report", |_| Ok(report(orders(1000, SEED))))
        .route("/healthz", |request| Ok(Json::Text(request.method.clone())));
    match std::env::args().nth(1).as_deref() {
        Some("once") => println!("{}", service.answer(&Request { path: "/".into(), ..Request::default() }).1),
        _ => service.serve(&format!("0.0.0.0:{}", std::env::var("PORT").unwrap_or_else(|_| "8080".into())))?,
    }
    Ok(())
}
"""


def make(folder: Path, services: int) -> list[str]:
    """Write the workspace into `folder`; return the names of its services."""
    names = [f"service-{number:02}" for number in range(1, services + 1)]
    files = {"Cargo.toml": _ROOT, "shared/Cargo.toml": _PACKAGE.replace("NAME", "shared"), "shared/src/lib.rs": _SHARED}
    for number, name in enumerate(names, start=1):
        files[f"services/{name}/Cargo.toml"] = (
            f"{_PACKAGE.replace('NAME', name)}\n[dependencies]\nshared.workspace = true\n"
        )
        files[f"services/{name}/src/main.rs"] = _MAIN.replace('NAME: &str = "NAME"', f'NAME: &str = "{name}"').replace(
            "SEED", str(number)
        )
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return names

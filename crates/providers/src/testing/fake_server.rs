//! An HTTP server on loopback that records requests and injects faults, on which the fakes are built.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// A request as it was received.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// The method in capitals.
    pub method: String,
    /// The path without the query, as it was sent.
    pub path: String,
    /// The query without `?`; empty if there is none.
    pub query: String,
    /// The header fields of the request.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl RecordedRequest {
    /// A header as text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as a form; of repeated fields the last one.
    pub fn form(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The parameters of the query.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

/// A response of a fake.
#[derive(Debug, Clone)]
pub struct FakeReply {
    /// The HTTP status.
    pub status: u16,
    /// The header fields, beside those that every response has.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl FakeReply {
    /// A response in JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    /// A response in another format.
    pub fn text(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type".into(), kind.into())], body: body.into() }
    }

    /// The error page of a gateway in front of a provider.
    pub fn bad_gateway() -> Self {
        Self::text(502, "text/html; charset=UTF-8", "<!DOCTYPE html><title>Error 502</title><p>Try again later.")
    }

    /// The same with a further header field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Holds requests until a test lets them go on.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Gate {
    /// Lets all requests go on, those that are held and those that come.
    pub fn open(&self) {
        self.0.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

/// How a request fails.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This response; the request has no effect.
    Reply(FakeReply),
    /// No response, ever; the request has no effect.
    Silence,
    /// The connection is reset after the whole request was read; the request has no effect.
    Reset,
    /// The request has its effect, and the connection is reset before the response.
    EffectThenReset,
    /// The request has its effect, and the connection is reset in the middle of the response's body.
    EffectThenCut,
    /// The request has its effect, and half of the response's body is sent as if it were whole.
    EffectThenTruncated,
    /// The request has its effect, and no response is ever sent.
    EffectThenSilence,
    /// The request has its effect, and the response's body never ends.
    EffectThenEndless,
    /// The request is held before it has its effect.
    Held(Gate),
}

type Handler = Arc<dyn Fn(&RecordedRequest) -> FakeReply + Send + Sync>;

#[derive(Default)]
struct ServerMemory {
    requests: Vec<RecordedRequest>,
    faults: VecDeque<(String, Fault)>,
    standing: Option<Fault>,
    exchanges: Vec<(RecordedRequest, FakeReply)>,
}

/// A running server. Clones are the same server.
#[derive(Clone)]
pub struct FakeServer {
    /// Its URL, `http://127.0.0.1:` and a free port.
    pub base_url: String,
    memory: Arc<Mutex<ServerMemory>>,
    arrived: Arc<Notify>,
}

impl std::fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeServer").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl FakeServer {
    /// Starts a server that answers with this function. It ends with the runtime.
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    pub async fn start(handler: impl Fn(&RecordedRequest) -> FakeReply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { base_url, memory: Arc::default(), arrived: Arc::default() };
        let (accepting, handler): (_, Handler) = (server.clone(), Arc::new(handler));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, accepting.clone(), Arc::clone(&handler)));
            }
        });
        server
    }

    /// The next requests whose paths contain `path` fail in this way, one after another.
    pub fn fail(&self, path: &str, faults: impl IntoIterator<Item = Fault>) {
        self.memory.lock().unwrap().faults.extend(faults.into_iter().map(|fault| (path.to_owned(), fault)));
    }

    /// All requests fail in this way until it is called with `None`.
    pub fn fail_always(&self, fault: Option<Fault>) {
        self.memory.lock().unwrap().standing = fault;
    }

    /// All requests so far, in the order in which they were received, also those that failed.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.memory.lock().unwrap().requests.clone()
    }

    /// The requests that had an effect, with their responses; also responses that were not received.
    pub fn exchanges(&self) -> Vec<(RecordedRequest, FakeReply)> {
        self.memory.lock().unwrap().exchanges.clone()
    }

    /// The number of requests so far whose paths contain `path`.
    pub fn count(&self, path: &str) -> usize {
        self.memory.lock().unwrap().requests.iter().filter(|request| request.path.contains(path)).count()
    }

    /// Waits until so many requests with paths that contain `path` were received.
    pub async fn wait_for(&self, path: &str, count: usize) {
        loop {
            let arrived = self.arrived.notified();
            if self.count(path) >= count {
                return;
            }
            arrived.await;
        }
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut memory = self.memory.lock().unwrap();
        let position = memory.faults.iter().position(|(of, _)| path.contains(of.as_str()));
        let next = position.and_then(|position| memory.faults.remove(position)).map(|(_, fault)| fault);
        next.or_else(|| memory.standing.clone())
    }

    async fn answer(&self, request: RecordedRequest, handler: Handler) -> io::Result<Response<FakeBody>> {
        let fault = self.next_fault(&request.path);
        self.memory.lock().unwrap().requests.push(request.clone());
        self.arrived.notify_waiters();
        let effect = || {
            let reply = handler(&request);
            self.memory.lock().unwrap().exchanges.push((request.clone(), reply.clone()));
            reply
        };
        let reset = || Err(io::Error::from(io::ErrorKind::ConnectionReset));
        match fault {
            None => Ok(response(&effect(), BodyEnd::Complete)),
            Some(Fault::Reply(reply)) => Ok(response(&reply, BodyEnd::Complete)),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Reset) => reset(),
            Some(Fault::EffectThenReset) => {
                effect();
                reset()
            }
            Some(Fault::EffectThenSilence) => {
                effect();
                std::future::pending().await
            }
            Some(Fault::EffectThenCut) => Ok(response(&halved(effect()), BodyEnd::Reset)),
            Some(Fault::EffectThenTruncated) => Ok(response(&halved(effect()), BodyEnd::Complete)),
            Some(Fault::EffectThenEndless) => Ok(response(&effect(), BodyEnd::Never)),
            Some(Fault::Held(gate)) => {
                let passed = gate.0.acquire().await.map_err(io::Error::other)?;
                drop(passed);
                Ok(response(&effect(), BodyEnd::Complete))
            }
        }
    }
}

fn halved(mut reply: FakeReply) -> FakeReply {
    reply.body.truncate(reply.body.len() / 2);
    reply
}

async fn serve(stream: TcpStream, server: FakeServer, handler: Handler) {
    // A connection that is given up is reset, and not closed in order.
    let _ = stream.set_zero_linger();
    let service = service_fn(|request: Request<Incoming>| {
        let (server, handler) = (server.clone(), Arc::clone(&handler));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
            let recorded = RecordedRequest {
                method: head.method.to_string(),
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                headers: head.headers,
                body,
            };
            server.answer(recorded, handler).await
        }
    });
    // It ends with an error if a fault resets the connection.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// How a body ends.
enum BodyEnd {
    Complete,
    Reset,
    Never,
}

struct FakeBody {
    bytes: Option<Bytes>,
    end: BodyEnd,
}

impl Body for FakeBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        Poll::Ready(match self.end {
            BodyEnd::Complete => None,
            BodyEnd::Reset => Some(Err(io::Error::from(io::ErrorKind::ConnectionReset))),
            BodyEnd::Never => Some(Ok(Frame::data(Bytes::from_static(&[b' '; 4096])))),
        })
    }
}

fn response(reply: &FakeReply, end: BodyEnd) -> Response<FakeBody> {
    let mut response = Response::new(FakeBody { bytes: Some(Bytes::from(reply.body.clone())), end });
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in &reply.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        response.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    response
}

//! Every route, on one screen; and what holds for all of them.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use api::{Answer, ErrorAnswer, ErrorCode, ErrorDetails, HealthStatus};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tower_service::Service as _;
use tracing::error;

use super::body::{self, BodyTrouble, Bounds};
use super::docs::{About, Docs};
use super::page::Page;
use super::room::Room;
use super::unread::Unread;
use crate::admission::Origin;
use crate::app::{App, Health};
use crate::config::{Config, HttpLimits};
use crate::execute;
use crate::report;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// When to come again where there is no room now. Seconds.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// The methods of each path, as `Allow` tells them.
const EXECUTE_METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");
const PAGE_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Everything behind a connection.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) app: Arc<App>,
    pub(super) limits: HttpLimits,
    router: Router,
}

/// What handlers share.
#[derive(Debug)]
struct Shared {
    app: Arc<App>,
    bounds: Bounds,
    bodies: Room,
    answers: Room,
    page: Page,
    docs: Docs,
    /// What [`api::openapi()`] says of this server.
    description: Bytes,
}

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);

impl Site {
    pub(super) fn new(app: App, config: &Config) -> Self {
        let (app, limits) = (Arc::new(app), config.http);
        let described = api::openapi(&config.told());
        let about = About {
            description: &described,
            python: app.python,
            isolation: app.isolation(),
        };
        let shared = Arc::new(Shared {
            app: Arc::clone(&app),
            bounds: Bounds {
                bytes_max: limits.body_bytes_max,
                time_max: limits.body_max,
            },
            bodies: Room::new(limits.bodies_bytes_max),
            answers: Room::new(limits.answers_bytes_max),
            page: Page::new(),
            docs: Docs::new(config, about),
            description: described.to_string().into(),
        });
        let router = Router::new()
            .route("/", read_only(home))
            .route("/page/page.css", read_only(style))
            .route("/page/page.js", read_only(script))
            .route("/page/facts.json", read_only(facts))
            .route("/docs", read_only(docs))
            .route("/health", read_only(health))
            .route("/openapi.json", read_only(description))
            .route(
                "/execute",
                post(execute)
                    .options(preflight)
                    .fallback(method_not_allowed),
            )
            .fallback(not_found)
            .with_state(shared);
        Self {
            app,
            limits,
            router,
        }
    }

    /// Answers one request, whatever happens.
    pub(super) async fn respond(&self, peer: IpAddr, request: Request<Incoming>) -> Response {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let mut router = self.router.clone();
        let mut answered = pin!(router.call(request));
        // A panic is a bug of ours: it is this request's end, and nobody else's.
        let caught = std::future::poll_fn(|context| {
            let poll = || answered.as_mut().poll(context);
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(response)),
                Err(_panic) => Poll::Ready(None),
            }
        });
        let mut response = match caught.await {
            Some(response) => response,
            None => self.panicked(),
        };
        add_headers(response.headers_mut());
        response
    }

    /// The whole answer to what is no request, head and body, as it goes over the wire.
    pub(super) fn unread(&self, unread: Unread) -> Vec<u8> {
        let invalid = ErrorCode::ValidationError;
        let (status, code, message) = match unread {
            Unread::Malformed => (
                StatusCode::BAD_REQUEST,
                invalid,
                "This is no HTTP/1.1 request.",
            ),
            Unread::TooLong => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                invalid,
                "The head of the request is too long.",
            ),
            Unread::TooMany => (
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::ServerBusy,
                "Your address has as many connections as one may have. Use them again, or close some.",
            ),
        };
        let details = ErrorDetails::new(code, message.to_owned());
        let answer = ErrorAnswer::bare(self.app.clock.now(), details);
        let body = Answer::Error(Box::new(answer)).to_json();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, SOON);
        }
        add_headers(&mut headers);
        let mut wire = format!("HTTP/1.1 {status}\r\n").into_bytes();
        for (name, value) in &headers {
            wire.extend_from_slice(name.as_str().as_bytes());
            wire.extend_from_slice(b": ");
            wire.extend_from_slice(value.as_bytes());
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&body);
        wire
    }

    fn panicked(&self) -> Response {
        let id = self.app.failure_id();
        error!(failure.id = %id, "a request met a bug (see the panic before), id {id}");
        json(&report::failure(self.app.clock.now(), None, id))
    }
}

/// What every answer says to a browser: any page may ask, and nothing here is a document to trust.
fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Retry-After"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        let usual = HeaderValue::from_static(value);
        headers.entry(name).or_insert(usual);
    }
}

async fn execute(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    if !is_json(headers) {
        body::drop_rest(body, shared.bounds.time_max).await;
        let message = "The content type must be application/json.";
        return refuse(&shared, ErrorCode::UnsupportedMediaType, message.to_owned());
    }
    // Not sent yet: whoever expects a word first gets this one, and need not send it.
    if headers.contains_key(header::EXPECT)
        && body::is_declared_larger(&body, shared.bounds.bytes_max)
    {
        return closing(body_trouble(&shared, BodyTrouble::TooLarge));
    }
    let whole = match body::read(body, shared.bounds, &shared.bodies).await {
        Ok(whole) => whole,
        Err(trouble) => return closing(body_trouble(&shared, trouble)),
    };
    let origin = Origin {
        peer,
        forwarded_for: &forwarded_for(headers),
    };
    let answer = execute::answer(&shared.app, origin, whole).await;
    let text = execute::heavy(answer.content_bytes(), || answer.to_json());
    let bytes = text.len();
    if let Some(text) = shared.answers.hold(text) {
        return json_answer(&answer, text);
    }
    let why = "others wait to be read, or it is larger than all may be (answers_bytes_max)";
    no_room(&shared, &format!("this answer of {bytes} bytes: {why}"))
}

/// The lines of `X-Forwarded-For`. One that is no text is junk, as an empty one is.
fn forwarded_for(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(FORWARDED_FOR).iter();
    lines
        .map(|line| line.to_str().unwrap_or_default())
        .collect()
}

async fn home(State(shared): State<Arc<Shared>>, asked: HeaderMap) -> Response {
    shared.page.document(&asked)
}

async fn style(State(shared): State<Arc<Shared>>, asked: HeaderMap) -> Response {
    shared.page.style(&asked)
}

async fn script(State(shared): State<Arc<Shared>>, asked: HeaderMap) -> Response {
    shared.page.script(&asked)
}

/// A path that is only read.
fn read_only<H, T>(handler: H) -> MethodRouter<Arc<Shared>>
where
    H: Handler<T, Arc<Shared>>,
    T: 'static,
{
    get(handler).options(preflight).fallback(method_not_allowed)
}

/// What the page shows before anything has run: the settings, and how things are for whoever asks.
async fn facts(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    asked: HeaderMap,
) -> Response {
    let app = &shared.app;
    let origin = Origin {
        peer,
        forwarded_for: &forwarded_for(&asked),
    };
    // Where counts cannot be kept, there is no quota to tell.
    let user = app.quota.user_info(app.identity.caller(origin, None)).ok();
    let server = execute::server_status(app, app.slots.active());
    let facts = app.facts.with([
        ("isolation", json!(app.isolation())),
        ("user_info", json!(user)),
        ("server_status", json!(server)),
    ]);
    json_of(facts)
}

async fn docs(State(shared): State<Arc<Shared>>) -> Response {
    shared.docs.response()
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let health = shared.app.health();
    let ready = health == Health::Fine;
    let health = api::Health {
        status: match health {
            Health::Fine => HealthStatus::Ok,
            Health::Recovering => HealthStatus::Recovering,
            Health::Uncounted => HealthStatus::CountsNotKept,
        },
        version: env!("CARGO_PKG_VERSION"),
        isolation: shared.app.isolation(),
        active_processes: shared.app.slots.active(),
        max_concurrent_processes: shared.app.slots.max(),
    };
    let mut response = json_of(health.to_json());
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn description(State(shared): State<Arc<Shared>>) -> Response {
    json_of(shared.description.clone())
}

/// Tells a browser that a page of any origin may send what it is about to send.
async fn preflight(request: Request) -> Response {
    let mut response = Response::new(Body::empty());
    let allowed = methods_of(request.uri().path());
    // No header that a page may add changes what a request may do here.
    let asked = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let usual = || HeaderValue::from_static("Content-Type, Authorization, X-Requested-With");
    let allowed_headers = asked.cloned().unwrap_or_else(usual);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, allowed.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allowed);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers);
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Access-Control-Request-Headers"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("86400"),
    );
    response
}

async fn method_not_allowed(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let allowed = methods_of(request.uri().path());
    body::drop_rest(request.into_body(), shared.bounds.time_max).await;
    let message = "This method is not allowed here.".to_owned();
    let mut response = refuse(&shared, ErrorCode::MethodNotAllowed, message);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

async fn not_found(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    body::drop_rest(request.into_body(), shared.bounds.time_max).await;
    let message = "There is nothing here. Programs go to POST /execute.".to_owned();
    refuse(&shared, ErrorCode::NotFound, message)
}

fn methods_of(path: &str) -> HeaderValue {
    if path == "/execute" {
        EXECUTE_METHODS
    } else {
        PAGE_METHODS
    }
}

/// Whether the content type is `application/json`, or JSON under another name (`application/x+json`).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let Some(value) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn body_trouble(shared: &Shared, trouble: BodyTrouble) -> Response {
    let max = shared.bounds.bytes_max;
    match trouble {
        BodyTrouble::TooLarge => {
            let message = format!("The request body is too large: at most {max} bytes are read.");
            refuse(shared, ErrorCode::BodyTooLarge, message)
        }
        BodyTrouble::TooSlow => {
            let message = "The request body did not arrive in time.".to_owned();
            refuse(shared, ErrorCode::BodyTooSlow, message)
        }
        BodyTrouble::NoRoom => no_room(shared, "this request body"),
        BodyTrouble::Broken => {
            let message = "The request body is cut off or badly framed.".to_owned();
            refuse(shared, ErrorCode::ValidationError, message)
        }
    }
}

fn no_room(shared: &Shared, what: &str) -> Response {
    let message = format!("The server has no room now for {what}.");
    let mut response = refuse(shared, ErrorCode::ServerBusy, message);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, SOON);
    response
}

/// What follows on a connection whose request was not read to its end cannot be told from a request.
fn closing(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn refuse(shared: &Shared, code: ErrorCode, message: String) -> Response {
    let details = ErrorDetails::new(code, message);
    let answer = ErrorAnswer::bare(shared.app.clock.now(), details);
    json(&Answer::Error(Box::new(answer)))
}

fn json(answer: &Answer) -> Response {
    json_answer(answer, answer.to_json())
}

fn json_answer(answer: &Answer, text: impl Into<Body>) -> Response {
    let mut response = json_of(text);
    *response.status_mut() =
        StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(seconds) = answer.retry_after_seconds() {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn json_of(text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

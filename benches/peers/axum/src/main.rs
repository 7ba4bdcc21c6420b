//! The same chat as a good engineer would write it on axum: `axum-chat DATABASE [--group] [--page-bytes N]`.
//!
//! It does less than Parlor (no CSRF, no log of revisions, sessions in memory only), and where there is
//! a choice it takes the quicker one: an event is encoded once and shared, SQLite has a thread of its own.

mod store;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, RwLock};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Form, Json, Router};
use futures_util::stream;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, error::RecvError};

use store::{Event, Store};

/// How many events a slow stream may be behind before it reads them from the database instead.
const BROADCAST_CAPACITY: usize = 16_384;

struct App {
    store: Store,
    names: RwLock<HashMap<String, String>>,
    page_bytes: usize,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag| arguments.iter().position(|a| a == flag).and_then(|at| arguments.get(at + 1));
    let (events, _) = broadcast::channel(BROADCAST_CAPACITY);
    let app = Arc::new(App {
        store: Store::open(&arguments[1], arguments.iter().any(|a| a == "--group"), events),
        names: RwLock::default(),
        page_bytes: after("--page-bytes").map_or(0, |n| n.parse().expect("--page-bytes takes a number")),
    });
    let routes = Router::new()
        .route("/lobby/", get(lobby).post(sign_in))
        .route("/", get(chat))
        .route("/create-message/", post(create_message))
        .route("/stream-chat-messages/", get(stream_messages))
        .with_state(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    println!("axum-chat: listening on http://{}/", listener.local_addr().expect("it is bound"));
    let quick = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(quick, routes).await.expect("axum serves until it is killed");
}

fn author(app: &App, headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let token = cookies.split("; ").find_map(|pair| pair.strip_prefix("sessionid="))?;
    app.names.read().expect("no holder panics").get(token).cloned()
}

async fn lobby() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Lobby</title><form method=post><input name=username><button>Join</button></form>",
    )
}

#[derive(Deserialize)]
struct SignIn {
    username: String,
}

async fn sign_in(State(app): State<Arc<App>>, Form(form): Form<SignIn>) -> Response {
    let token = format!("{:032x}", rand::random::<u128>());
    let cookie = format!("sessionid={token}; HttpOnly; SameSite=Lax; Path=/");
    app.names.write().expect("no holder panics").insert(token, form.username);
    (StatusCode::FOUND, [(LOCATION, "/"), (SET_COOKIE, cookie.as_str())]).into_response()
}

/// The chat page with its newest messages, filled up to the size of Parlor's so that both send the same bytes.
async fn chat(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let Some(name) = author(&app, &headers) else { return Redirect::to("/lobby/").into_response() };
    let mut page = format!("<!doctype html><title>Chat</title><p>Signed in as {}<ol>", escaped(&name));
    for (author, content) in app.store.newest(50).await {
        page.push_str(&format!("<li><b>{}</b> {}</li>", escaped(&author), escaped(&content)));
    }
    page.push_str("</ol><form method=post action=/create-message/><input name=content></form>");
    let missing = app.page_bytes.saturating_sub(page.len());
    page.extend(std::iter::repeat_n(' ', missing));
    Html(page).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[derive(Deserialize)]
struct NewMessage {
    content: String,
}

async fn create_message(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(form): Form<NewMessage>,
) -> Response {
    let Some(author) = author(&app, &headers) else { return StatusCode::FORBIDDEN.into_response() };
    let id = app.store.insert(author, form.content).await;
    (StatusCode::CREATED, Json(serde_json::json!({ "id": id }))).into_response()
}

/// One event stream: behind while there is history to read, then fed by the broadcast channel.
struct Follower {
    app: Arc<App>,
    live: broadcast::Receiver<Event>,
    cursor: i64,
    behind: bool,
}

async fn stream_messages(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if author(&app, &headers).is_none() {
        return StatusCode::FORBIDDEN.into_response();
    }
    let live = app.store.subscribe();
    let follower = Follower { app, live, cursor: 0, behind: true };
    let body = Body::from_stream(stream::unfold(follower, Follower::next));
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], body).into_response()
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Follower)> {
        loop {
            if self.behind {
                let (bytes, newest) = self.app.store.events_after(self.cursor).await;
                self.behind = newest > self.cursor;
                self.cursor = newest;
                if self.behind {
                    return Some((Ok(bytes), self));
                }
            }
            match self.live.recv().await {
                Ok(event) if event.id > self.cursor => {
                    self.cursor = event.id;
                    return Some((Ok(event.bytes), self));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

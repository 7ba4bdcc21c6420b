//! SQLite behind async functions: one thread writes, a few idle connections are kept for readers.

use std::sync::{Arc, Mutex};
use std::thread;

use axum::body::Bytes;
use rusqlite::{Connection, Result, Transaction};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::spawn_blocking;

/// How many posts may share a commit with `--group`, and how many may wait for the writer.
const GROUP: usize = 256;

/// How many messages of history are read and sent at a time.
const PAGE: i64 = 500;

#[derive(Clone)]
pub struct Event {
    pub id: i64,
    pub bytes: Bytes,
}

struct Post {
    author: String,
    content: String,
    stored: oneshot::Sender<i64>,
}

pub struct Store {
    posts: mpsc::Sender<Post>,
    events: broadcast::Sender<Event>,
    readers: Arc<Mutex<Vec<Connection>>>,
    path: String,
}

impl Store {
    pub fn open(path: &str, group: bool, events: broadcast::Sender<Event>) -> Store {
        let connection = connect(path).expect("the database can be opened");
        connection
            .execute_batch(
                "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
                 CREATE TABLE message (
                     id INTEGER PRIMARY KEY AUTOINCREMENT,
                     author_id INTEGER NOT NULL REFERENCES author (id),
                     content TEXT NOT NULL,
                     created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
                 );",
            )
            .expect("the database is empty");
        let (posts, waiting) = mpsc::channel(GROUP);
        let told = events.clone();
        thread::spawn(move || write_posts(connection, waiting, told, if group { GROUP } else { 1 }));
        Store { posts, events, readers: Arc::default(), path: path.to_owned() }
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Stores a message; returns its id once it is on disk.
    pub async fn insert(&self, author: String, content: String) -> i64 {
        let (stored, id) = oneshot::channel();
        self.posts.send(Post { author, content, stored }).await.expect("the writer outlives the server");
        id.await.expect("the writer answers every post")
    }

    /// The next page of events after `cursor`, as bytes, and the cursor after them.
    pub async fn events_after(&self, cursor: i64) -> (Bytes, i64) {
        self.read(move |connection| {
            let mut events = Vec::new();
            let mut newest = cursor;
            let mut query = connection.prepare_cached(
                "SELECT message.id, author.name, content, created_at
                 FROM message JOIN author ON author.id = author_id
                 WHERE message.id > ?1
                 ORDER BY message.id
                 LIMIT ?2",
            )?;
            let mut rows = query.query([cursor, PAGE])?;
            while let Some(row) = rows.next()? {
                newest = row.get(0)?;
                let (author, content, created_at) = (row.get_ref(1)?, row.get_ref(2)?, row.get_ref(3)?);
                encode(&mut events, newest, author.as_str()?, content.as_str()?, created_at.as_str()?);
            }
            Ok((Bytes::from(events), newest))
        })
        .await
    }

    /// The newest `count` messages, oldest first, as author and content.
    pub async fn newest(&self, count: i64) -> Vec<(String, String)> {
        self.read(move |connection| {
            let mut query = connection.prepare_cached(
                "SELECT author.name, content
                 FROM message JOIN author ON author.id = author_id
                 ORDER BY message.id DESC
                 LIMIT ?1",
            )?;
            let rows = query.query_map([count], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut messages = rows.collect::<Result<Vec<_>>>()?;
            messages.reverse();
            Ok(messages)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> T {
        let (readers, path) = (self.readers.clone(), self.path.clone());
        let answer = spawn_blocking(move || {
            let idle = readers.lock().expect("no holder panics").pop();
            let connection = idle.map_or_else(|| connect(&path), Ok)?;
            let answer = ask(&connection);
            readers.lock().expect("no holder panics").push(connection);
            answer
        });
        answer.await.expect("no query panics").expect("the database can be read")
    }
}

fn connect(path: &str) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000;",
    )?;
    Ok(connection)
}

fn write_posts(
    mut connection: Connection,
    mut waiting: mpsc::Receiver<Post>,
    events: broadcast::Sender<Event>,
    group: usize,
) {
    let mut posts = Vec::new();
    while waiting.blocking_recv_many(&mut posts, group) > 0 {
        let stored = commit(&mut connection, &posts).expect("the database takes it");
        for (post, event) in posts.drain(..).zip(stored) {
            let id = event.id;
            // No subscriber, or a poster who has gone: neither is the writer's business.
            let _ = events.send(event);
            let _ = post.stored.send(id);
        }
    }
}

/// Stores `posts` in one transaction; returns their events once it is on disk.
fn commit(connection: &mut Connection, posts: &[Post]) -> Result<Vec<Event>> {
    let transaction = connection.transaction()?;
    let events = posts.iter().map(|post| insert(&transaction, post)).collect::<Result<Vec<_>>>()?;
    transaction.commit()?;
    Ok(events)
}

fn insert(transaction: &Transaction<'_>, post: &Post) -> Result<Event> {
    transaction
        .prepare_cached("INSERT INTO author (name) VALUES (?1) ON CONFLICT (name) DO NOTHING")?
        .execute([&post.author])?;
    let (id, created_at): (i64, String) = transaction
        .prepare_cached(
            "INSERT INTO message (author_id, content)
             VALUES ((SELECT id FROM author WHERE name = ?1), ?2)
             RETURNING id, created_at",
        )?
        .query_row([&post.author, &post.content], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut bytes = Vec::with_capacity(post.content.len() + 128);
    encode(&mut bytes, id, &post.author, &post.content, &created_at);
    Ok(Event { id, bytes: bytes.into() })
}

#[derive(serde::Serialize)]
struct Message<'a> {
    id: i64,
    #[serde(rename = "author__name")]
    author: &'a str,
    content: &'a str,
    created_at: &'a str,
}

fn encode(events: &mut Vec<u8>, id: i64, author: &str, content: &str, created_at: &str) {
    events.extend_from_slice(format!("id: {id}\ndata: ").as_bytes());
    let message = Message { id, author, content, created_at };
    serde_json::to_writer(&mut *events, &message).expect("a vector takes every byte");
    events.extend_from_slice(b"\n\n");
}

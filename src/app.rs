//! Everything that pages share, built once and passed as `&App`.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::config::Config;
use crate::door::Door;
use crate::error::Result;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::views::Views;
use crate::visitor::admins::Admins;
use crate::visitor::invite;
use crate::visitor::rate::Buckets;
use crate::visitor::session::{self, Session, Sessions};

pub struct App {
    pub config: Config,
    pub store: Arc<Store>,
    pub live: Arc<Live>,
    pub sessions: Arc<Sessions>,
    pub admins: Admins,
    pub rates: Rates,
    pub views: Views,
    pub metrics: Arc<Metrics>,
    /// What the passphrase can be replaced with, where there is one.
    pub invite: Option<String>,
    /// What this machine calls itself.
    pub own_name: String,
    pub started: Instant,
    /// The same in seconds since 1970.
    pub started_at: i64,
    /// The door, once it is open.
    pub door: OnceLock<Arc<Door>>,
}

impl App {
    /// # Errors
    /// The administrators' token cannot be read, or the database does not answer.
    pub fn new(config: Config, store: Arc<Store>, live: Arc<Live>, metrics: Arc<Metrics>) -> Result<App> {
        let invite =
            config.passphrase.as_deref().map(|passphrase| invite::settle(&store, passphrase)).transpose()?;
        Ok(App {
            invite,
            sessions: Arc::new(Sessions::new(Arc::clone(&store))),
            admins: Admins::new(Arc::clone(&store), config.admin_token_file.as_deref())?,
            rates: Rates::new(config.rate),
            views: Views::new(),
            own_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            started: Instant::now(),
            started_at: session::now(),
            door: OnceLock::new(),
            config,
            store,
            live,
            metrics,
        })
    }

    /// Ends a session with all its streams; its name is free at once.
    pub fn end_session(&self, session: &Session) -> Result<()> {
        self.sessions.end(session)?;
        self.live.presence.forget(session);
        self.live.sweep();
        Ok(())
    }

    /// Lets go of sessions that are gone from the table, known by their fingerprints.
    pub fn sessions_ended(&self, fingerprints: &[String]) {
        self.live.presence.forget_all(fingerprints);
        self.reread_sessions(fingerprints);
    }

    /// Lets go of sessions that are under another name in the table; they go on under that.
    pub fn sessions_renamed(&self, fingerprints: &[String], name: &str) {
        self.live.presence.rename(fingerprints, name);
        self.reread_sessions(fingerprints);
    }

    /// Their streams end at once, and come back to what the table says.
    fn reread_sessions(&self, fingerprints: &[String]) {
        fingerprints.iter().for_each(|fingerprint| self.sessions.forget(fingerprint));
        self.live.sweep();
    }
}

/// How much one visitor may do.
pub struct Rates {
    /// Messages by session, unless there is no limit.
    pub posts: Option<Buckets<String>>,
    /// Word that one is writing, by session: the page sends it every 3 s at most.
    pub typing: Buckets<String>,
    /// Sign-ins by peer, unless there is no limit: a class behind one address comes in at once, a flood does not.
    pub sign_ins: Option<Buckets<IpAddr>>,
    /// Passphrases tried by peer.
    pub guesses: Buckets<IpAddr>,
    /// Administrators' tokens tried by peer.
    pub admins: Buckets<IpAddr>,
}

/// Visitors whose buckets are kept; beyond it, the fullest go first.
const BUCKETS: usize = 10_000;

impl Rates {
    fn new(posts_per_second: u32) -> Rates {
        let is_limited = posts_per_second > 0;
        Rates {
            posts: is_limited.then(|| Buckets::new(10, f64::from(posts_per_second), BUCKETS)),
            typing: Buckets::new(2, 0.5, BUCKETS),
            sign_ins: is_limited.then(|| Buckets::new(60, 2.0, BUCKETS)),
            guesses: Buckets::new(20, 0.2, BUCKETS),
            admins: Buckets::new(10, 0.1, BUCKETS),
        }
    }
}

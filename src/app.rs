//! Everything that pages share, built once and passed as `&App`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::error::Result;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::pages::Views;
use crate::store::Store;
use crate::visitor::invite;
use crate::visitor::rate::Buckets;
use crate::visitor::session::{Session, Sessions};

pub struct App {
    pub config: Config,
    pub store: Arc<Store>,
    pub live: Arc<Live>,
    pub sessions: Arc<Sessions>,
    pub rates: Rates,
    pub views: Views,
    pub metrics: Arc<Metrics>,
    /// What the passphrase can be replaced with, where there is one.
    pub invite: Option<String>,
    /// What this machine calls itself.
    pub own_name: String,
    pub started: Instant,
}

impl App {
    pub fn new(config: Config, store: Arc<Store>, live: Arc<Live>, metrics: Arc<Metrics>) -> Result<App> {
        let invite =
            config.passphrase.as_deref().map(|passphrase| invite::settle(&store, passphrase)).transpose()?;
        Ok(App {
            invite,
            sessions: Arc::new(Sessions::new(Arc::clone(&store))),
            rates: Rates::new(config.rate),
            views: Views::new(),
            own_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            started: Instant::now(),
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
}

/// How much one visitor may do.
pub struct Rates {
    /// Messages by session, unless there is no limit.
    pub posts: Option<Buckets<String>>,
    /// Word that one is writing, by session: the page sends it every 3 s at most.
    pub typing: Buckets<String>,
    /// Sign-ins by peer: a class behind one address comes in at once, a flood does not.
    pub sign_ins: Buckets<IpAddr>,
    /// Passphrases tried by peer.
    pub guesses: Buckets<IpAddr>,
}

/// Visitors whose buckets are kept; beyond it, the fullest go first.
const BUCKETS: usize = 10_000;

impl Rates {
    fn new(posts_per_second: u32) -> Rates {
        let posts = (posts_per_second > 0).then(|| Buckets::new(10, f64::from(posts_per_second), BUCKETS));
        Rates {
            posts,
            typing: Buckets::new(2, 0.5, BUCKETS),
            sign_ins: Buckets::new(60, 2.0, BUCKETS),
            guesses: Buckets::new(20, 0.2, BUCKETS),
        }
    }
}

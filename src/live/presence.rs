//! Who is here: names with an open stream, and for a while those whose stream has ended.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::events::presence_json;
use crate::store::Attendee;
use crate::visitor::session::Session;

/// A page that reloads, or a phone that sleeps for a moment, does not leave.
const GRACE: Duration = Duration::from_secs(60);

/// Names that one event tells; the count beside them is always the whole. Thousands of names sent to thousands of
/// streams would be all that the server does.
const LISTED: usize = 200;

/// Changes are told together, at most this often.
const TOLD_EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Presence {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By name, then by session: one person may have many streams, and two devices.
    people: HashMap<String, HashMap<String, Attendance>>,
    /// The same at other processes on this file.
    elsewhere: HashMap<String, HashSet<String>>,
    /// The names have changed since they were last told.
    changed: bool,
    told_at: Option<Instant>,
}

struct Attendance {
    streams: usize,
    left_at: Instant,
}

impl Attendance {
    fn counts(&self, now: Instant) -> bool {
        self.streams > 0 || now.duration_since(self.left_at) < GRACE
    }
}

impl Presence {
    /// Counts a stream of this session in; it is counted out when the result is dropped.
    pub fn arrive(self: &Arc<Presence>, session: Arc<Session>) -> Present {
        let mut state = self.state();
        let person = state.people.entry(session.name.clone()).or_default();
        let is_new = person.is_empty();
        let attendance = person
            .entry(session.fingerprint.clone())
            .or_insert(Attendance { streams: 0, left_at: Instant::now() });
        attendance.streams += 1;
        state.changed |= is_new;
        drop(state);
        Present { presence: Arc::clone(self), session }
    }

    /// Whether the name is present under another session than `own`, which is a fingerprint.
    pub fn is_in_use(&self, name: &str, own: Option<&str>) -> bool {
        let (state, now) = (self.state(), Instant::now());
        let is_another = |fingerprint: &String| Some(fingerprint.as_str()) != own;
        let here = state.people.get(name).into_iter().flatten();
        let mut here =
            here.filter(|(_, attendance)| attendance.counts(now)).map(|(fingerprint, _)| fingerprint);
        here.any(is_another) || state.elsewhere.get(name).into_iter().flatten().any(is_another)
    }

    /// Takes a session that was ended out at once: its name is free.
    pub fn forget(&self, session: &Session) {
        let mut state = self.state();
        let Some(person) = state.people.get_mut(&session.name) else { return };
        person.remove(&session.fingerprint);
        if person.is_empty() {
            state.people.remove(&session.name);
            state.changed = true;
        }
    }

    /// The same for many, known by their fingerprints.
    pub fn forget_all(&self, fingerprints: &[String]) {
        let mut state = self.state();
        for person in state.people.values_mut() {
            person.retain(|fingerprint, _| !fingerprints.contains(fingerprint));
        }
        state.forget_the_long_gone(Instant::now());
    }

    /// Moves those of the sessions that are here to another name, as if their streams had just ended: they will be back.
    pub fn rename(&self, fingerprints: &[String], name: &str) {
        let (mut state, left_at) = (self.state(), Instant::now());
        let is_meant = |fingerprint: &String, _: &mut Attendance| fingerprints.contains(fingerprint);
        let people = state.people.values_mut();
        let moved: Vec<_> = people.flat_map(|person| person.extract_if(is_meant)).collect();
        state.forget_the_long_gone(left_at);
        if !moved.is_empty() {
            let moved = moved.into_iter().map(|(print, _)| (print, Attendance { streams: 0, left_at }));
            state.people.entry(name.to_owned()).or_default().extend(moved);
            state.changed = true;
        }
    }

    /// Who is here at this process, for the others.
    pub fn attendees(&self) -> Vec<Attendee> {
        let (state, now) = (self.state(), Instant::now());
        let mut attendees: Vec<Attendee> = Vec::new();
        for (name, person) in &state.people {
            let here = person.iter().filter(|(_, attendance)| attendance.counts(now));
            attendees.extend(here.map(|(fingerprint, _)| (name.clone(), fingerprint.clone())));
        }
        attendees.sort_unstable();
        attendees
    }

    /// Takes in who is at the other processes.
    pub fn hear(&self, attendees: Vec<Attendee>) {
        let mut elsewhere: HashMap<String, HashSet<String>> = HashMap::new();
        for (name, fingerprint) in attendees {
            elsewhere.entry(name).or_default().insert(fingerprint);
        }
        let mut state = self.state();
        state.changed |= elsewhere != state.elsewhere;
        state.elsewhere = elsewhere;
    }

    /// The names that are here, sorted, and how many there are; the list is cut where it would be endless.
    pub fn online(&self) -> (Vec<String>, usize) {
        let state = self.state();
        let (names, count) = state.listed();
        (names.into_iter().map(str::to_owned).collect(), count)
    }

    /// The data of a presence event.
    pub fn json(&self) -> String {
        let state = self.state();
        let (names, count) = state.listed();
        presence_json(&names, count)
    }

    /// Whether there is something new to tell, and it is time to.
    pub fn is_due(&self, now: Instant) -> bool {
        let mut state = self.state();
        if state.told_at.is_some_and(|told_at| now.duration_since(told_at) < TOLD_EVERY) {
            return false;
        }
        state.told_at = Some(now);
        state.forget_the_long_gone(now);
        std::mem::take(&mut state.changed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn listed(&self) -> (Vec<&str>, usize) {
        let mut names: Vec<_> = self.people.keys().chain(self.elsewhere.keys()).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let count = names.len();
        names.truncate(LISTED);
        (names, count)
    }

    fn forget_the_long_gone(&mut self, now: Instant) {
        let before = self.people.len();
        self.people.retain(|_, person| {
            person.retain(|_, attendance| attendance.counts(now));
            !person.is_empty()
        });
        self.changed |= self.people.len() != before;
    }
}

/// A stream that is counted in.
pub struct Present {
    presence: Arc<Presence>,
    pub session: Arc<Session>,
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut state = self.presence.state();
        let attendance = state
            .people
            .get_mut(&self.session.name)
            .and_then(|person| person.get_mut(&self.session.fingerprint));
        if let Some(attendance) = attendance {
            attendance.streams = attendance.streams.saturating_sub(1);
            attendance.left_at = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Scratch;
    use crate::visitor::session::Sessions;

    struct Company {
        sessions: Sessions,
        presence: Arc<Presence>,
        _scratch: Scratch,
    }

    impl Company {
        fn sign_in(&self, name: &str) -> Arc<Session> {
            let token = self.sessions.sign_in(name, 0).unwrap();
            self.sessions.find(&token, 0).unwrap().unwrap()
        }
    }

    fn company(name: &str) -> Company {
        let scratch = Scratch::new(name);
        let sessions = Sessions::new(Arc::clone(&scratch.store));
        Company { sessions, presence: Arc::default(), _scratch: scratch }
    }

    #[test]
    fn a_name_is_in_use_for_others_until_a_while_after_its_stream() {
        let company = company("in-use");
        let session = company.sign_in("Puck");
        let present = company.presence.arrive(Arc::clone(&session));
        assert!(company.presence.is_in_use("Puck", None));
        assert!(!company.presence.is_in_use("Puck", Some(&session.fingerprint)));
        drop(present);
        assert!(company.presence.is_in_use("Puck", None), "within the grace");
        let later = Instant::now() + GRACE;
        assert!(company.presence.is_due(later));
        assert!(!company.presence.is_in_use("Puck", None));
    }

    #[test]
    fn people_at_other_processes_are_here_too() {
        let company = company("elsewhere");
        let _present = company.presence.arrive(company.sign_in("Puck"));
        let feste = ("Feste".to_owned(), "f".to_owned());
        company.presence.hear(vec![feste.clone()]);
        assert_eq!(company.presence.json(), r#"{"online":["Feste","Puck"],"count":2}"#);
        assert!(company.presence.is_in_use("Feste", None) && !company.presence.is_in_use("Feste", Some("f")));
        assert_eq!(company.presence.attendees().len(), 1);
        company.presence.hear(Vec::new());
        assert!(!company.presence.is_in_use("Feste", None));
    }

    #[test]
    fn one_who_leaves_is_gone_at_once() {
        let company = company("leaves");
        let session = company.sign_in("Puck");
        let _present = company.presence.arrive(Arc::clone(&session));
        company.presence.forget(&session);
        assert!(!company.presence.is_in_use("Puck", None));
        assert_eq!(company.presence.json(), r#"{"online":[],"count":0}"#);
    }

    #[test]
    fn one_who_is_renamed_is_here_under_the_new_name_at_once() {
        let company = company("renamed");
        let [here, away] = ["Puck", "Puck"].map(|name| company.sign_in(name));
        let present = company.presence.arrive(Arc::clone(&here));
        company.presence.rename(&[here.fingerprint.clone(), away.fingerprint.clone()], "Robin");
        drop(present);
        assert_eq!(company.presence.json(), r#"{"online":["Robin"],"count":1}"#);
        assert!(!company.presence.is_in_use("Robin", Some(&here.fingerprint)));
        assert!(company.presence.is_in_use("Robin", Some(&away.fingerprint)));
    }

    #[test]
    fn names_are_told_sorted_once_and_not_too_often() {
        let company = company("told");
        let (feste, puck) = (company.sign_in("Feste"), company.sign_in("Puck"));
        let now = Instant::now();
        let _present = [&puck, &feste, &puck].map(|session| company.presence.arrive(Arc::clone(session)));
        assert_eq!(company.presence.json(), r#"{"online":["Feste","Puck"],"count":2}"#);
        assert!(company.presence.is_due(now));
        let _more = company.presence.arrive(company.sign_in("Viola"));
        assert!(!company.presence.is_due(now + TOLD_EVERY / 2));
        assert!(company.presence.is_due(now + TOLD_EVERY));
        assert!(!company.presence.is_due(now + TOLD_EVERY * 2));
    }
}

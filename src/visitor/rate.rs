//! How fast anyone may go: a token bucket for each of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket of tokens for each key; it starts full, each act takes one, and they come back steadily.
#[derive(Debug)]
pub struct Buckets<K> {
    /// From one token to the next.
    interval: Duration,
    /// From empty to full.
    span: Duration,
    /// How many keys are remembered at most.
    capacity: usize,
    /// A bucket is the moment at which it will be full again; one that is full need not be remembered.
    /// The lock is held for a look and a change only.
    full_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Buckets that hold `burst` tokens and get `per_second` back, which is above zero; at most `capacity` of them
    /// are remembered.
    pub fn new(burst: u32, per_second: f64, capacity: usize) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        Buckets { interval, span: interval * burst, capacity, full_at: Mutex::default() }
    }

    /// Takes a token out of the bucket of `key`; the error is how long until there is one.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let before = full_at.get(&key).map_or(now, |&at| at.max(now));
        let after = before + self.interval;
        let wait = after.saturating_duration_since(now + self.span);
        if !wait.is_zero() {
            return Err(wait);
        }
        if full_at.len() >= self.capacity && !full_at.contains_key(&key) {
            shrink(&mut full_at, self.capacity / 2, now);
        }
        full_at.insert(key, after);
        Ok(())
    }
}

/// Forgets buckets that are full, and if more than `keep` are left, the fullest of those: whoever is near the
/// limit stays known, and the work is spread over the many keys that it makes room for.
fn shrink<K: Eq + Hash>(full_at: &mut HashMap<K, Instant>, keep: usize, now: Instant) {
    full_at.retain(|_, at| *at > now);
    if full_at.len() <= keep {
        return;
    }
    let mut buckets: Vec<(K, Instant)> = full_at.drain().collect();
    buckets.select_nth_unstable_by(keep, |(_, one), (_, other)| other.cmp(one));
    buckets.truncate(keep);
    full_at.extend(buckets);
}

/// What a peer counts as: an IPv6 network of 64 bits is one household, and IPv4 in IPv6 clothes is IPv4.
pub fn peer_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn many_keys_are_forgotten_before_a_busy_one() {
        let (buckets, now) = (Buckets::new(5, 1.0, 100), Instant::now());
        while buckets.take(0, now).is_ok() {}
        for key in 1..10_000 {
            assert_eq!(buckets.take(key, now), Ok(()));
            assert!(buckets.full_at.lock().unwrap().len() <= 100);
        }
        assert!(buckets.take(0, now).is_err());
    }

    #[test]
    fn a_peer_counts_by_its_network() {
        for (peer, key) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("::1", "::"),
        ] {
            assert_eq!(peer_key(peer.parse().unwrap()), key.parse::<IpAddr>().unwrap());
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_more_than_burst_and_rate(burst in 1u32..20, rate in 0.1f64..100.0, gaps: Vec<u8>) {
            let buckets = Buckets::new(burst, rate, 4);
            let start = Instant::now();
            let mut now = start;
            for (taken, gap) in gaps.into_iter().enumerate() {
                now += Duration::from_millis(gap.into());
                if let Err(wait) = buckets.take((), now) {
                    prop_assert!(buckets.take((), now + wait - Duration::from_nanos(1)).is_err());
                    now += wait;
                    prop_assert_eq!(buckets.take((), now), Ok(()));
                }
                let earned = (now - start).as_secs_f64() * rate;
                prop_assert!(taken as f64 + 1.0 <= f64::from(burst) + earned + 1e-3);
            }
        }
    }
}

//! How fast anyone may go: a token bucket for each of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest pause between two tokens: it keeps sums of time from overflowing, however small the rate.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Buckets that hold `burst` tokens and get `per_second` back; at most `capacity` of them are remembered.
    /// No limit at all is the caller's business: a rate that is not above zero is one token a day here.
    pub fn new(burst: u32, per_second: f64, capacity: usize) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(LONGEST_INTERVAL);
        let interval = interval.min(LONGEST_INTERVAL);
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
    let IpAddr::V6(ip) = ip else { return ip };
    match ip.to_ipv4_mapped() {
        Some(ip) => IpAddr::V4(ip),
        None => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let buckets = Buckets::new(3, 2.0, 10);
        let start = Instant::now();
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            assert_eq!(buckets.take("Puck", start), Ok(()));
        }
        assert_eq!(buckets.take("Puck", start), Err(second / 2));
        assert_eq!(buckets.take("Feste", start), Ok(()));
        assert_eq!(buckets.take("Puck", start + second / 4), Err(second / 4));
        assert_eq!(buckets.take("Puck", start + second / 2), Ok(()));
        assert_eq!(buckets.take("Puck", start + second / 2), Err(second / 2));
        let later = start + second * 60;
        assert_eq!((0..9).filter(|_| buckets.take("Puck", later).is_ok()).count(), 3);
    }

    #[test]
    fn odd_rates_do_not_panic() {
        let now = Instant::now();
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e300, f64::MIN_POSITIVE] {
            assert_eq!(Buckets::new(2, per_second, 1).take((), now), Ok(()), "{per_second}");
        }
        assert_eq!(Buckets::new(0, 1.0, 0).take((), now), Err(Duration::from_secs(1)));
    }

    #[test]
    fn many_keys_are_forgotten_before_a_busy_one() {
        let buckets = Buckets::new(5, 1.0, 100);
        let now = Instant::now();
        while buckets.take(0, now).is_ok() {}
        for key in 1..10_000 {
            assert_eq!(buckets.take(key, now), Ok(()));
            assert!(buckets.full_at.lock().unwrap().len() <= 100);
        }
        assert!(buckets.take(0, now).is_err());
        buckets.take(-1, now + Duration::from_secs(60)).unwrap();
        let left = buckets.full_at.lock().unwrap().len();
        assert!(left <= 100, "{left}");
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

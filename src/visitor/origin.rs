//! Whether a form was sent from a page of ours, by the browser's own word.

use super::host::{same_name, split_port};

/// Whether a POST comes from a page of ours, as far as the browser says: `Sec-Fetch-Site` and `Origin` must
/// agree with that where they are sent (programs send neither). `host` is the request's own `Host` header;
/// `is_ours` knows the further names that a proxy may serve us under, and gets a host name without port.
pub fn same_origin(
    origin: Option<&str>,
    sec_fetch_site: Option<&str>,
    host: &str,
    is_ours: impl Fn(&str) -> bool,
) -> bool {
    if sec_fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let Some(origin) = origin else { return true };
    let Some((name, port, default_port)) = split_origin(origin) else { return false };
    let same = split_port(host)
        .is_some_and(|(host, host_port)| same_name(name, host) && port == host_port.unwrap_or(default_port));
    same || is_ours(name)
}

/// Host name, port and the scheme's default port of an `Origin`; `null` has none.
fn split_origin(origin: &str) -> Option<(&str, u16, u16)> {
    let (scheme, authority) = origin.split_once("://")?;
    let default_port = match &*scheme.to_ascii_lowercase() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let (name, port) = split_port(authority).filter(|(name, _)| !name.is_empty())?;
    Some((name, port.unwrap_or(default_port), default_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_post_from_a_page_of_ours_passes() {
        let ours = |name: &str| name.eq_ignore_ascii_case("chat.example.org");
        for (origin, host) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000"),
            ("http://LocalHost:8000", "localhost:8000"),
            ("http://globe.local", "globe.local:80"),
            ("http://globe.local:80", "globe.local"),
            ("https://globe.local", "globe.local"),
            ("https://globe.local", "globe.local:443"),
            ("http://[::1]:8000", "[::1]:8000"),
            ("https://chat.example.org", "127.0.0.1:8000"),
            ("https://Chat.Example.org:8443", "127.0.0.1:8000"),
        ] {
            assert!(same_origin(Some(origin), None, host, ours), "{origin} at {host}");
        }
        let strange = "http://localhost:8001 http://localhost https://localhost https://evil.example \
                       http://localhost:8000.evil.example http://localhost:8000@evil.example \
                       ftp://localhost:8000 localhost:8000 http:// null";
        for origin in strange.split(' ').chain([""]) {
            assert!(!same_origin(Some(origin), None, "localhost:8000", ours), "{origin}");
        }
        for (origin, host) in [("http://localhost", "localhost:443"), ("https://localhost", "localhost:80")] {
            assert!(!same_origin(Some(origin), None, host, ours), "{origin} at {host}");
        }
        assert!(
            !same_origin(Some("http://"), None, "", ours) && !same_origin(Some("null"), None, "null", ours)
        );
    }

    #[test]
    fn the_browsers_own_word_counts() {
        let passes = |origin, site| same_origin(origin, site, "localhost", |_| false);
        for origin in [None, Some("http://localhost")] {
            assert!([None, Some("same-origin"), Some("none")].iter().all(|site| passes(origin, *site)));
            assert!(!["same-site", "cross-site", ""].iter().any(|site| passes(origin, Some(site))));
        }
        assert!(!passes(Some("http://evil.example"), Some("same-origin")));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(origin in "(https?://)?(\\[|\\]|:|\\.|[a-z0-9]|\\PC){0,12}", host: String) {
            same_origin(Some(&origin), None, &host, |_| false);
        }
    }
}

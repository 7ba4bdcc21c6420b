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
        for (origin, host, passes) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", true),
            ("http://LocalHost:8000", "localhost:8000", true),
            ("http://globe.local", "globe.local:80", true),
            ("http://globe.local:80", "globe.local", true),
            ("https://globe.local", "globe.local", true),
            ("https://globe.local", "globe.local:443", true),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("https://chat.example.org", "127.0.0.1:8000", true),
            ("https://Chat.Example.org:8443", "127.0.0.1:8000", true),
            ("http://localhost:8001", "localhost:8000", false),
            ("http://localhost", "localhost:443", false),
            ("https://localhost", "localhost:80", false),
            ("https://evil.example", "localhost:8000", false),
            ("http://localhost:8000.evil.example", "localhost:8000", false),
            ("http://localhost:8000@evil.example", "localhost:8000", false),
            ("ftp://localhost:8000", "localhost:8000", false),
            ("localhost:8000", "localhost:8000", false),
            ("http://", "", false),
            ("null", "null", false),
            ("", "", false),
        ] {
            assert_eq!(same_origin(Some(origin), None, host, ours), passes, "{origin} at {host}");
        }
    }

    #[test]
    fn the_browsers_own_word_counts() {
        let none = |_: &str| false;
        for (site, passes) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("", false)]
        {
            assert_eq!(same_origin(None, Some(site), "localhost", none), passes, "{site}");
            assert_eq!(
                same_origin(Some("http://localhost"), Some(site), "localhost", none),
                passes,
                "{site}"
            );
        }
        assert!(same_origin(None, None, "localhost", none));
        assert!(!same_origin(Some("http://evil.example"), Some("same-origin"), "localhost", none));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(origin in "(https?://)?(\\[|\\]|:|\\.|[a-z0-9]|\\PC){0,12}", host: String) {
            same_origin(Some(&origin), None, &host, |_| false);
        }
    }
}

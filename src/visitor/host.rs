//! Which names are ours: the guard against a stranger's name that was pointed at this machine (DNS rebinding).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a `Host` header names this server: an address, `localhost` and what is under it, a name on the local
/// link, the machine's `own_name`, or one of the `extra` names. None of these can be pointed here by a stranger.
pub fn is_ours(host_header: &str, own_name: &str, extra: &[String]) -> bool {
    let Some((host, _)) = split_port(host_header) else { return false };
    if is_address(host) {
        return true;
    }
    if !is_name(host) {
        return false;
    }
    let is_local = same_name(host, "localhost") || is_under(host, "localhost") || is_under(host, "local");
    is_local || same_name(host, own_name) || extra.iter().any(|name| same_name(host, name))
}

/// Host and port of `host`, `host:8000` or `[::1]:8000`; no port is none, as is an empty one.
pub fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    match authority.split_at(host_end) {
        (host, "" | ":") => Some((host, None)),
        (host, port) => {
            let digits = port.strip_prefix(':')?;
            let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            Some((host, Some(port)))
        }
    }
}

/// Whether two host names are the same: in any case, with or without the dot of the root.
pub fn same_name(one: &str, other: &str) -> bool {
    rootless(one).eq_ignore_ascii_case(rootless(other))
}

fn is_under(host: &str, domain: &str) -> bool {
    rootless(host).rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case(domain))
}

fn rootless(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn is_address(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether this is a name at all: labels of letters, digits, hyphens and underscores.
fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    rootless(host).split('.').all(|label| !label.is_empty() && label.bytes().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_and_our_own_names_are_ours() {
        let extra = ["chat.example.org".to_owned(), "Other.Example.".to_owned()];
        let ours = "127.0.0.1:8000 192.168.1.7 [::1]:8000 [fe80::1] localhost LOCALHOST.:80 localhost: \
                    chat.localhost:8000 globe Globe.local:8000 a.b.local. chat.example.org:443 CHAT.example.org. \
                    other.example";
        for host in ours.split(' ') {
            assert!(is_ours(host, "globe", &extra), "{host}");
        }
        let strange = "example.org evil.chat.example.org globe.evil.example localhost.evil.example \
                       127.0.0.1.evil.example local .local a..local user@localhost localhost:8000:1 \
                       localhost:65536 localhost:+1 ::1 [::1 [::1]x [::1]x:80 [localhost] 127.1 :80 .";
        for host in strange.split(' ').chain(["", "a b.local"]) {
            assert!(!is_ours(host, "globe", &extra), "{host}");
        }
        assert!(!is_ours("", "", &[String::new()]));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(host in "(\\[|\\]|:|\\.|[a-z0-9]|\\PC){0,12}", own: String) {
            is_ours(&host, &own, std::slice::from_ref(&own));
            if let Some((name, _)) = split_port(&host) {
                prop_assert!(host.starts_with(name));
            }
        }
    }
}

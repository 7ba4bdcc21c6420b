//! What the server prints once it answers: where it listens, how others get in, and who "others" may be.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::qr;
use crate::config::Config;

/// Interfaces that lead to containers and virtual machines on this machine; no phone can use their addresses.
const INWARD: &[&str] = &["docker", "br-", "veth", "virbr", "vmnet", "lxc", "cni"];

/// All there is to say on stdout; the first line never changes, programs read it. `is_terminal` gives the QR code its
/// colours.
pub fn announcement(address: SocketAddr, config: &Config, invite: Option<&str>, is_terminal: bool) -> String {
    let links = join_links(&reachable(address, &interfaces()), invite);
    let mut text = format!("parlor: listening on http://{address}/\n");
    let alone = address.ip().is_loopback();
    if !alone || invite.is_some() {
        for link in &links {
            let _ = writeln!(text, "parlor: join at {link}");
        }
    }
    text.push_str(match (alone, invite) {
        (true, _) if config.trusted_proxy => "", // the proxy decides who can come
        (true, _) => "parlor: only this machine can join; --lan opens it to the network\n",
        (false, None) => "parlor: anyone on the network can join; --passphrase keeps strangers out\n",
        (false, Some(_)) => "parlor: anyone on the network who has this link or the passphrase can join\n",
    });
    if config.qr
        && let Some(link) = links.first()
    {
        text.push_str(&qr::draw(link, is_terminal).unwrap_or_default());
    }
    text
}

/// The addresses of this machine, with the names of the interfaces that have them.
fn interfaces() -> Vec<(String, IpAddr)> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect()
}

/// Where others reach a server that listens on `address`; the likeliest first. Never empty.
fn reachable(address: SocketAddr, interfaces: &[(String, IpAddr)]) -> Vec<SocketAddr> {
    let at = |ip| SocketAddr::new(ip, address.port());
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let outward = interfaces.iter().filter(|(name, _)| !INWARD.iter().any(|inward| name.starts_with(inward)));
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        // A link-local address needs a zone, which browsers do not take.
        IpAddr::V6(ip) => address.is_ipv6() && !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    let mut found: Vec<IpAddr> = outward.map(|(_, ip)| *ip).filter(usable).collect();
    found.sort_by_key(|ip| ip.is_ipv6()); // stable: the system lists the first card first
    match found.is_empty() {
        true => vec![at(address.ip())],
        false => found.into_iter().map(at).collect(),
    }
}

fn join_links(addresses: &[SocketAddr], invite: Option<&str>) -> Vec<String> {
    let path = invite.map_or_else(String::new, |invite| format!("lobby/?invite={invite}"));
    addresses.iter().map(|address| format!("http://{address}/{path}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn links(listening_on: &str) -> Vec<String> {
        let interfaces = [
            ("lo", "127.0.0.1"),
            ("docker0", "172.17.0.1"),
            ("wlan0", "fe80::1"),
            ("wlan0", "2001:db8::7"),
            ("eth0", "192.168.1.5"),
            ("eth1", "169.254.3.4"),
            ("wlan0", "10.0.0.9"),
        ]
        .map(|(name, ip)| (name.to_owned(), ip.parse().unwrap()));
        join_links(&reachable(address(listening_on), &interfaces), None)
    }

    #[test]
    fn every_address_that_a_phone_could_use_is_named() {
        assert_eq!(links("0.0.0.0:8000"), ["http://192.168.1.5:8000/", "http://10.0.0.9:8000/"]);
        assert_eq!(links("[::]:80").last().map(String::as_str), Some("http://[2001:db8::7]:80/"));
        assert_eq!(links("10.0.0.9:8000"), ["http://10.0.0.9:8000/"]);
        assert_eq!(reachable(address("0.0.0.0:1"), &[]), [address("0.0.0.0:1")], "no network");
    }

    #[test]
    fn an_invitation_is_in_the_link() {
        assert_eq!(
            announcement(address("192.0.2.5:8000"), &Config::default(), Some("abc"), false),
            "parlor: listening on http://192.0.2.5:8000/\n\
             parlor: join at http://192.0.2.5:8000/lobby/?invite=abc\n\
             parlor: anyone on the network who has this link or the passphrase can join\n"
        );
    }
}

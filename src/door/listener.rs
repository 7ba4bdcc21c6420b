//! The listening socket: bound here, or left to us by the program that was here before.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;

use crate::error::{Error, Result};

/// Binds `address`.
///
/// # Errors
/// The address is in use or not to be had; the sentence names it.
pub fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| Error::internal(format!("http://{address}/: {error}")))
}

/// Takes over the socket that lies in standard input, with all who wait in its queue.
///
/// # Errors
/// What lies there is not a listening socket.
pub fn inherit() -> Result<TcpListener> {
    let refuse =
        |error: io::Error| Error::internal(format!("standard input is no listening socket: {error}"));
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned().map_err(refuse)?);
    listener.local_addr().map_err(refuse)?;
    if !rustix::net::sockopt::socket_acceptconn(&listener).map_err(io::Error::from).map_err(refuse)? {
        return Err(refuse(io::ErrorKind::InvalidInput.into()));
    }
    // Something else has to lie there now, or the address would stay taken when the door has closed: the end of an
    // empty pipe.
    let (empty, _) = io::pipe()?;
    rustix::stdio::dup2_stdin(&empty).map_err(io::Error::from)?;
    Ok(listener)
}

/// Where a listener can be reached from this machine.
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

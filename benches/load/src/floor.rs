//! The floor: one thread, one write(2) for each stream, no database; nothing that fans out can cost less.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::Result;
use crate::http::header;
use crate::poller::Poller;

/// A connection: a poster, or, once it has sent a GET, a stream.
struct Peer {
    socket: TcpStream,
    received: Vec<u8>,
}

/// Everything the floor knows: its connections by key, which of them are streams, and what was posted.
#[derive(Default)]
struct Floor {
    peers: Vec<Option<Peer>>,
    streams: Vec<usize>,
    history: Vec<u8>,
}

pub fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("floor: listening on http://{}/", listener.local_addr()?);
    let mut poller = Poller::new()?;
    poller.watch(&listener, usize::MAX)?;
    let mut floor = Floor::default();
    loop {
        for key in poller.wait(Duration::from_secs(60))? {
            if key == usize::MAX {
                let (socket, _) = listener.accept()?;
                socket.set_nodelay(true)?;
                poller.watch(&socket, floor.peers.len())?;
                floor.peers.push(Some(Peer { socket, received: Vec::new() }));
            } else if floor.read(key).is_err() {
                floor.peers[key] = None;
            }
        }
    }
}

impl Floor {
    /// Reads once from a connection, and does what it asks for when that was the end of it.
    fn read(&mut self, key: usize) -> io::Result<()> {
        let Some(peer) = &mut self.peers[key] else { return Ok(()) };
        let mut bytes = [0; 65_536];
        let count = peer.socket.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        peer.received.extend_from_slice(&bytes[..count]);
        if peer.received.starts_with(b"GET") && peer.received.ends_with(b"\r\n\r\n") {
            peer.socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
            peer.socket.write_all(&self.history)?;
            self.streams.push(key);
        } else if let Some(event) = peer.posted() {
            peer.socket.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")?;
            self.fan_out(&event);
            self.history.extend_from_slice(&event);
        }
        Ok(())
    }

    fn fan_out(&mut self, event: &[u8]) {
        let peers = &mut self.peers;
        let mut took = |key: &usize| peers[*key].as_mut().is_some_and(|p| p.socket.write_all(event).is_ok());
        self.streams.retain(|key| took(key));
    }
}

impl Peer {
    /// The event of a post that has arrived whole.
    fn posted(&mut self) -> Option<Vec<u8>> {
        let text = str::from_utf8(&self.received).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length: usize = header(head, "content-length")?.parse().ok()?;
        let event = format!("data: {}\n\n", body.get(..length)?);
        self.received.clear();
        Some(event.into())
    }
}

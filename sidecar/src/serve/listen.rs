//! The socket: both address families on one port, or IPv4 alone where a node has no IPv6.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

const BACKLOG: u32 = 64;

/// Listens on `address`; `[::]` means IPv4 as well.
///
/// # Errors
/// What the system says, such as a port in use.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match bind_one(address) {
        // Where IPv6 is switched off, the socket or its address can't be had.
        Err(error) if is_without_ipv6(&error) && address.ip() == Ipv6Addr::UNSPECIFIED => {
            bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        result => result,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(
        errno,
        Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL)
    )
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            // The default is a setting of the node.
            rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
            socket
        }
    };
    // A restarted sidecar finds its port in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

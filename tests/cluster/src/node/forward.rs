//! Makes an address of the cluster reachable on the host's loopback.
//!
//! Bounded: at most [`CONNECTIONS`] at a time for each port; further ones wait in the kernel's queue.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::namespaces::Namespaces;

/// A client of Kubernetes keeps a few connections; a test suite has a few dozen clients.
const CONNECTIONS: usize = 128;
/// Everything is on this machine.
const DIAL: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptors left, for one) the next try must not spin.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Listens on the host's loopback, on a free port when none is asked for.
pub(crate) fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port.unwrap_or(0)))
}

/// Forwards every connection to `target` inside the network, for the rest of the process's life.
pub(crate) fn forward(listener: TcpListener, namespaces: Arc<Namespaces>, target: SocketAddr) -> io::Result<()> {
    let slots = Arc::new(Slots {
        free: Mutex::new(CONNECTIONS),
        freed: Condvar::new(),
    });
    let accept = move || loop {
        let slot = Slots::take(&slots);
        let Ok((client, _)) = listener.accept() else {
            thread::sleep(AFTER_FAILURE);
            continue;
        };
        let namespaces = Arc::clone(&namespaces);
        let serve = move || {
            let _slot = slot;
            // The client sees a closed connection, as it would when nobody listened.
            let _ = connect(&namespaces, target).and_then(|server| join(&client, &server));
        };
        // Without a thread the connection is dropped, and with it the slot.
        let _ = thread::Builder::new().name("forward".to_owned()).spawn(serve);
    };
    thread::Builder::new().name("accept".to_owned()).spawn(accept)?;
    Ok(())
}

fn connect(namespaces: &Namespaces, target: SocketAddr) -> io::Result<TcpStream> {
    namespaces.in_network(|| TcpStream::connect_timeout(&target, DIAL))
}

/// Copies both ways until both ends have closed.
fn join(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    thread::scope(|scope| {
        scope.spawn(|| copy(client, server));
        copy(server, client);
    });
    Ok(())
}

/// Copies one way. The end of one side is passed on to the other; a failure ends both, or the other way would wait for
/// ever.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = if io::copy(&mut from, &mut to).is_ok() {
        to.shutdown(Shutdown::Write)
    } else {
        from.shutdown(Shutdown::Both).and(to.shutdown(Shutdown::Both))
    };
}

#[derive(Debug)]
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One connection's right to be; given back when dropped.
struct Slot(Arc<Slots>);

impl Slots {
    fn take(slots: &Arc<Self>) -> Slot {
        let free = slots.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = slots
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(Arc::clone(slots))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn bytes_and_the_ends_of_both_directions_pass_through() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let entrance = listen(None).unwrap();
        let (entrance_address, server_address) = (entrance.local_addr().unwrap(), server.local_addr().unwrap());
        let forwarder = thread::spawn(move || {
            let (client, _) = entrance.accept().unwrap();
            join(&client, &TcpStream::connect(server_address).unwrap()).unwrap();
        });
        let mut client = TcpStream::connect(entrance_address).unwrap();
        let (mut served, _) = server.accept().unwrap();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut question = String::new();
        served.read_to_string(&mut question).unwrap();
        served.write_all(b"answer").unwrap();
        drop(served);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        forwarder.join().unwrap();
        assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
    }
}

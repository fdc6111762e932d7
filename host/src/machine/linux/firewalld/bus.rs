//! The system bus: connection, authentication, and calls that wait for their reply (D-Bus Specification,
//! "Authentication Protocol").

use super::message::{self, Reply, Value};
use crate::patience;
use nix::unistd::Uid;
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

/// The time limit of a connection and its calls together.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of the bus, unless `DBUS_SYSTEM_BUS_ADDRESS` is set (D-Bus Specification, "System message bus").
const DEFAULT: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// The longest line of the authentication, in bytes.
const LINE_BYTES: usize = 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no bus.
    #[error("the system bus cannot be reached: {0}")]
    NoBus(io::Error),
    /// The bus does not reply, or violates the protocol.
    #[error("the system bus failed: {0}")]
    Failed(io::Error),
    /// The called service replied with an error: its name and its text.
    #[error("{0}")]
    Refused(String),
}

impl From<BusError> for io::Error {
    fn from(error: BusError) -> Self {
        io::Error::other(error)
    }
}

/// A connection.
#[derive(Debug)]
pub struct Bus {
    socket: UnixStream,
    serial: u32,
    deadline: Instant,
}

impl Bus {
    /// Connects to the system bus.
    pub fn system() -> Result<Self, BusError> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").ok().filter(|address| !address.is_empty());
        let socket = connect(address.as_deref().unwrap_or(DEFAULT)).map_err(BusError::NoBus)?;
        let mut bus =
            Bus { socket, serial: 0, deadline: Instant::now() + patience::left_or_reserve(PATIENCE) };
        bus.authenticate().map_err(BusError::Failed)?;
        bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", &[])?;
        Ok(bus)
    }

    /// Calls a method with string arguments. Returns the first value of the reply, if it is a string or a boolean.
    pub fn call(
        &mut self,
        name: &str,
        path: &str,
        interface: &str,
        method: &str,
        arguments: &[&str],
    ) -> Result<Option<Value>, BusError> {
        self.serial += 1;
        let call = message::call(self.serial, [path, interface, method, name], arguments);
        self.time().and_then(|()| self.socket.write_all(&call)).map_err(BusError::Failed)?;
        loop {
            let reply = self.receive().map_err(BusError::Failed)?;
            match reply {
                Reply::Returned { to, value } if to == self.serial => return Ok(value),
                Reply::Error { to, name, value } if to == self.serial => {
                    let text = match value {
                        Some(Value::Text(text)) => text,
                        _ => String::new(),
                    };
                    return Err(BusError::Refused(format!("{name}: {text}")));
                }
                // A signal, or the reply to another call.
                _ => {}
            }
        }
    }

    /// Authenticates with the user ID, which the bus compares with the socket's credentials.
    fn authenticate(&mut self) -> io::Result<()> {
        let user: String = Uid::effective().to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        self.time()?;
        self.socket.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.time()?;
            self.socket.read_exact(&mut byte)?;
            line.extend(byte);
            if line.len() > LINE_BYTES {
                return Err(io::Error::other("an endless line"));
            }
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::other(format!("{:?}", String::from_utf8_lossy(&line))));
        }
        self.socket.write_all(b"BEGIN\r\n")
    }

    fn receive(&mut self) -> io::Result<Reply> {
        let mut start = [0; message::START_BYTES];
        self.fill(&mut start)?;
        let mut rest = vec![0; message::rest(&start)?];
        self.fill(&mut rest)?;
        message::reply(&start, &rest)
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            self.time()?;
            match self.socket.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => buffer = buffer.get_mut(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Limits the next read or write to the time that is left.
    fn time(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer within {} s", PATIENCE.as_secs()),
            ));
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.set_write_timeout(Some(left))
    }
}

/// Connects to the first address that can be reached.
fn connect(addresses: &str) -> io::Result<UnixStream> {
    let mut last = io::Error::other(format!("{addresses:?} is no address of a bus"));
    for address in addresses.split(';') {
        let Some(keys) = address.strip_prefix("unix:") else { continue };
        for (key, value) in keys.split(',').filter_map(|pair| pair.split_once('=')) {
            let connected = match key {
                "path" => UnixStream::connect(value),
                "abstract" => {
                    SocketAddr::from_abstract_name(value).and_then(|a| UnixStream::connect_addr(&a))
                }
                _ => continue,
            };
            match connected {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

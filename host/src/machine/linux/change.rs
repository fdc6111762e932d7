//! The changes of the Linux machine.

use super::netlink::{conntrack, encode};
use super::{Linux, file, firewalld, native, sysctl};
use crate::machine::errno::DRY;
use crate::machine::port::{Look, Machine, ProgramCall, Request, ZoneChange};
use crate::signal;
use crate::value::{Netns, SysctlKey};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

impl Machine for Linux {
    fn as_look(&mut self) -> &mut dyn Look {
        self
    }

    fn send(&mut self, netns: Netns, requests: Vec<Request>) -> Vec<io::Result<()>> {
        if self.dry {
            return requests.iter().map(|_| Err(io::Error::other(DRY))).collect();
        }
        let container = self.container.as_ref().map(AsFd::as_fd);
        let (mut answers, mut messages) = (Vec::with_capacity(requests.len()), Vec::new());
        for request in &requests {
            // A request that cannot be encoded gets its error here. The others are sent all the same.
            answers.push(encode(request, container).map(|message| messages.push(message)));
            if let Request::Delete(index) = request {
                self.indexes.retain(|link, known| link.netns != netns || known != index);
            }
        }
        let mut sent = match self.socket(netns) {
            Ok(socket) => socket.batch(messages),
            Err(error) => messages.iter().map(|_| Err(same(&error))).collect(),
        }
        .into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
            *answer = sent.next().unwrap_or_else(|| Err(io::Error::other("no answer")));
        }
        answers
    }

    fn set_sysctl(&mut self, netns: Netns, key: &SysctlKey, value: &str) -> io::Result<()> {
        self.refuse_dry()?;
        let _guard = self.enter(netns)?;
        sysctl::write(key, value)
    }

    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.refuse_dry()?;
        file::write(path, bytes)
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.refuse_dry()?;
        std::fs::remove_file(path)
    }

    fn forget_udp(&mut self, is_ipv4: bool, ports: &[u16]) -> io::Result<()> {
        self.refuse_dry()?;
        conntrack::forget_udp(is_ipv4, ports)
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> io::Result<bool> {
        self.refuse_dry()?;
        firewalld::change(change)
    }

    fn run(&mut self, call: &ProgramCall) -> io::Result<Output> {
        self.refuse_dry()?;
        native::run(call)
    }

    fn pause(&mut self, time: Duration) -> bool {
        sleep(time);
        !signal::is_asked()
    }
}

/// A copy of the error.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

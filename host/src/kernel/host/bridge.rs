//! A bridge that somebody else made: it stays as it was, whatever becomes a port of it.

use super::super::netlink::{Link, link, refused};
use super::super::{KernelError, netlink::Request};
use super::HostKernel;
use crate::kernel::step::{self, MAX_MTU};
use crate::plan::action::EnsureBridge;
use crate::plan::{IfName, Mac, Netns};

impl HostKernel {
    /// Notes a bridge that was there: its Ethernet address shows whether we made it.
    pub(super) fn found_bridge(&mut self, bridge: &EnsureBridge, found: &Link) {
        if found.mac() == bridge.mac {
            self.foreign_bridges.remove(&bridge.name);
        } else {
            self.foreign_bridges.insert(bridge.name.clone());
        }
    }

    /// Pins what the kernel would change of a foreign bridge, before the port joins: so it never has another value, not even
    /// when this process dies. Of our own bridges both are set when they are made or follow as in the reference.
    pub(super) fn keep_bridge(&mut self, master: &IfName, port: (Mac, u32)) -> Result<(), KernelError> {
        if !self.foreign_bridges.contains(master) {
            return Ok(());
        }
        let bridge = self.require(Netns::Host, master)?;
        let ports = self.socket(Netns::Host).and_then(|socket| link::ports(socket, bridge.index));
        let failed = |error| refused(format!("failed to keep {:?} as it is", master.as_str()), error);
        let ports: Vec<_> = ports.map_err(failed)?.iter().map(|port| (port.mac(), port.mtu)).collect();
        let keep = step::keep((bridge.mac(), bridge.mtu), &ports, port);
        let mut requests: Vec<Request> = Vec::new();
        if keep.mac {
            requests.push(link::set_mac(bridge.index, bridge.mac()));
        }
        if keep.mtu {
            // The kernel ignores the value that is there. Downwards, IPv6 and links on the bridge could lose by it.
            let other = if bridge.mtu < MAX_MTU { bridge.mtu + 1 } else { bridge.mtu - 1 };
            requests.extend([other, bridge.mtu].map(|mtu| link::set_mtu(bridge.index, mtu)));
        }
        if requests.is_empty() {
            return Ok(());
        }
        let answers = self.socket(Netns::Host).map(|socket| socket.batch(requests));
        answers.and_then(|answers| answers.into_iter().collect()).map_err(failed)
    }
}

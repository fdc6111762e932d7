//! Helpers for the tests of the sandbox. Tests that need a compiled component are in `tests/privileged/tests/sandbox`.

mod confine;
mod overlay;

use crate::action::{Answer, Facts, Query};
use crate::cni::{Command, Request};
use crate::value::{Attachment, Backend, ContainerId, Fact, IfName, LinkFact, NetworkName, PluginName};

pub fn plugin(name: &str) -> PluginName {
    PluginName::parse(name).unwrap()
}

pub fn request() -> Request {
    Request {
        command: Command::Add,
        plugin: plugin("bridge"),
        attachment: Attachment {
            network: NetworkName::parse("mybridge").unwrap(),
            container: ContainerId::parse("1234567890").unwrap(),
            interface: IfName::parse("eth0").unwrap(),
        },
        netns: "/var/run/netns/x".to_owned(),
        path: Vec::new(),
        args: String::new(),
        config: "{}".to_owned(),
        cni_version: "1.0.0".to_owned(),
    }
}

/// A machine with these links and an empty lease store. It records the queries.
#[derive(Default)]
pub struct Machine {
    links: Vec<LinkFact>,
    asked: Vec<Query>,
}

impl Facts for Machine {
    fn ask(&mut self, query: &Query) -> Answer {
        self.asked.push(query.clone());
        match query {
            Query::Link(link) => {
                let found = self.links.iter().find(|fact| fact.netns == link.netns && fact.name == link.name);
                Answer::Link(found.map_or(Fact::Absent, |fact| Fact::Known(fact.clone())))
            }
            Query::Held(..) => Answer::Held(Fact::Known(Vec::new())),
            Query::Reusable(..) => Answer::Reusable(Fact::Absent),
            Query::LastReserved(..) => Answer::LastReserved(Fact::Absent),
            Query::Free(_, range) => Answer::Free(Fact::Known(vec![*range])),
            Query::Backend => Answer::Backend(Backend::Iptables),
            Query::HostEnd(_) => Answer::HostEnd(Fact::Absent),
            Query::Firewall => Answer::Firewall(crate::value::Firewall::Iptables),
            Query::RouteTo(_) => Answer::RouteTo(Fact::Absent),
            Query::StalePorts { .. } => Answer::PortOwners(Vec::new()),
            Query::File(_) | Query::FileBelow(..) => {
                Answer::File(Fact::Known(b"nameserver 10.0.0.53".to_vec()))
            }
        }
    }
}

//! Queries about the programs and services for packet filter rules on this machine.

use super::{Answer, Question};
use crate::action::context::ReadContext;
use crate::action::profile::only_nftables;
use crate::machine::MachineError;
use crate::machine::port::ZoneQuery;
use crate::policy::{Capability, Grants, Refusal, Rules};
use crate::value::{Backend, Firewall};

/// What filters packets. Every plugin may ask for it.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    /// See [`Query::Backend`](super::Query::Backend).
    Backend,
    /// See [`Query::Firewall`](super::Query::Firewall).
    Firewall,
}

impl Question for Tool {
    fn capability(&self, _grants: &Grants) -> Option<Capability> {
        None
    }

    fn refuse(&self, _grants: &Grants, _rules: &Rules<'_>) -> Vec<Refusal> {
        Vec::new()
    }

    fn describe(&self) -> String {
        "look for a firewall".to_owned()
    }

    fn subject(&self) -> String {
        match self {
            Tool::Backend => "which firewall there is".to_owned(),
            Tool::Firewall => "whether firewalld runs".to_owned(),
        }
    }

    /// As in the reference, the backend is nftables only if there is no iptables (pkg/ip/ipmasq_linux.go). If the D-Bus
    /// call fails, firewalld counts as not running.
    fn answer(&self, cx: &mut ReadContext<'_>) -> Result<Answer, MachineError> {
        Ok(match self {
            Tool::Backend if only_nftables(cx.look) => Answer::Backend(Backend::Nftables),
            Tool::Firewall if matches!(cx.look.zone(ZoneQuery::IsRunning), Ok(true)) => {
                Answer::Firewall(Firewall::Firewalld)
            }
            Tool::Backend | Tool::Firewall => self.nothing(),
        })
    }

    fn nothing(&self) -> Answer {
        match self {
            Tool::Backend => Answer::Backend(Backend::Iptables),
            Tool::Firewall => Answer::Firewall(Firewall::Iptables),
        }
    }
}

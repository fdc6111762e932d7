//! Answers to a planner's questions.

use super::super::errno::chain;
use super::super::netlink::{address, refused};
use super::super::{KernelError, iptables, netlink::Link, nft};
use super::{HostKernel, file};
use crate::plan::{Answer, Backend, Fact, Facts, IfName, LinkFact, LinkRef, Query};
use ipnetwork::IpNetwork;
use std::io;

impl Facts for HostKernel {
    fn ask(&mut self, query: &Query) -> Answer {
        let result = match query {
            Query::Link(link) => self.link_fact(link).map(Answer::Link),
            Query::Held(store, owner) => self.held(store, owner).map(Answer::Held),
            Query::LastReserved(store, set) => self.last_reserved(store, *set).map(Answer::LastReserved),
            Query::Backend => Ok(Answer::Backend(backend())),
            Query::Free(store, within) => self.free(store, *within).map(Answer::Free),
            Query::File(path) => file::read(path).map(|bytes| Answer::File(Fact::Known(bytes))),
        };
        match (result, query) {
            (Ok(answer), _) => answer,
            (Err(error), Query::Link(_)) if self.is_hidden(&error) => Answer::Link(Fact::Unreadable),
            (Err(error), Query::Held(..)) if self.is_hidden(&error) => Answer::Held(Fact::Unreadable),
            (Err(error), Query::LastReserved(..)) if self.is_hidden(&error) => {
                Answer::LastReserved(Fact::Unreadable)
            }
            (Err(error), Query::Free(..)) if self.is_hidden(&error) => Answer::Free(Fact::Unreadable),
            (Err(error), Query::File(_)) if self.is_hidden(&error) => Answer::File(Fact::Unreadable),
            (Err(error), _) => {
                let text = chain(&error);
                self.refusal = Some(error);
                Answer::Failed(text)
            }
        }
    }
}

impl HostKernel {
    /// Only a dry run may go on without knowing.
    fn is_hidden(&self, error: &KernelError) -> bool {
        match error {
            KernelError::Netlink { source, .. } | KernelError::File { source, .. } => {
                self.dry && source.kind() == io::ErrorKind::PermissionDenied
            }
            KernelError::Tool { .. }
            | KernelError::Conflict(_)
            | KernelError::Busy { .. }
            | KernelError::Changed(_) => false,
        }
    }

    fn link_fact(&mut self, link: &LinkRef) -> Result<Fact<LinkFact>, KernelError> {
        if !self.has(link.netns) {
            return Ok(Fact::Absent);
        }
        let Some(found) = self.find(link.netns, &link.name)? else { return Ok(Fact::Absent) };
        let addresses = self.addresses(link, found.index)?;
        let mac = found.mac();
        let Link { index, kind, mtu, up, alias, master, .. } = found;
        // Asked for by an alternative name, it still has its own.
        let (netns, name) = (link.netns, IfName::parse(&found.name).unwrap_or_else(|_| link.name.clone()));
        Ok(Fact::Known(LinkFact { netns, name, index, kind, mac, mtu, up, alias, master, addresses }))
    }

    /// The addresses of a link.
    pub(super) fn addresses(&mut self, link: &LinkRef, index: u32) -> Result<Vec<IpNetwork>, KernelError> {
        let found = self.socket(link.netns).and_then(|socket| address::list(socket, index));
        found.map_err(|e| refused(failed_list(link), e))
    }

    /// An address with all that undo needs to add it again; none, if the link does not have it.
    pub(super) fn saved_address(
        &mut self,
        link: &LinkRef,
        index: u32,
        address: IpNetwork,
    ) -> Result<Option<String>, KernelError> {
        let found = self.socket(link.netns).and_then(|socket| address::saved(socket, index, address));
        found.map_err(|e| refused(failed_list(link), e))
    }
}

fn failed_list(link: &LinkRef) -> String {
    format!("failed to get IP addresses for {:?}", link.name.as_str())
}

/// As the reference: nftables only where there is no iptables (cni-behaviours, section 2.10).
fn backend() -> Backend {
    if !iptables::is_installed() && nft::is_installed() { Backend::Nftables } else { Backend::Iptables }
}

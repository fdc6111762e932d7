//! The report of a guest.

use super::limits;
use super::lower::violation;
use crate::cni::CniError;
use crate::value::{Dns, Interface, Ip, LinkRef, Report, Route};

/// A report while it is made. An address may name a link that is reported later.
#[derive(Debug, Default)]
pub struct DraftReport {
    /// The interfaces of `prevResult`, if the guest passes it on.
    pub passed: Option<Vec<Interface>>,
    /// Links of the plan.
    pub links: Vec<LinkRef>,
    /// The links whose addresses are read from the kernel after the plan was applied.
    pub with_addresses: Vec<LinkRef>,
    /// Addresses, each with its link.
    pub ips: Vec<(Ip, Option<LinkRef>)>,
    /// Routes.
    pub routes: Vec<Route>,
    /// DNS settings.
    pub dns: Dns,
}

impl DraftReport {
    /// Finishes the report: replaces the link of each address by its index. Fails if that link is not reported.
    pub fn finish(self) -> Result<Report, CniError> {
        let DraftReport { passed, links, with_addresses, ips, routes, dns } = self;
        let passed = passed.unwrap_or_default();
        let resolve = |(ip, link): (Ip, Option<LinkRef>)| {
            let Some(link) = link else { return Ok(ip) };
            let index = links.iter().position(|reported| *reported == link);
            let index = index.ok_or_else(|| {
                violation(format!("{} is reported on {link}, which is not reported", ip.address))
            })?;
            Ok(Ip { interface: Some(passed.len() + index), ..ip })
        };
        let ips = ips.into_iter().map(resolve).collect::<Result<_, CniError>>()?;
        if let Some(link) = with_addresses.iter().find(|link| !links.contains(link)) {
            return Err(violation(format!("the addresses of {link} are reported, which is not")));
        }
        Ok(Report { passed, links, with_addresses, ips, routes, dns })
    }

    /// Starts with a report that is passed on. The size of the configuration limits its texts and lists.
    pub fn pass(&mut self, previous: Report) {
        let Report { passed, ips, routes, dns, .. } = previous;
        self.passed = Some(passed);
        self.ips = ips.into_iter().map(|ip| (ip, None)).collect();
        self.routes = routes;
        self.dns = dns;
    }

    /// Checks that a list of `length` entries may get one more.
    pub fn room(length: usize) -> Result<(), CniError> {
        if length < limits::ACTIONS {
            Ok(())
        } else {
            Err(limits::exceeded("entries of a result", limits::ACTIONS))
        }
    }

    /// Changes the DNS settings, and checks that they stay within [`limits::DNS_BYTES`].
    pub fn set_dns(&mut self, set: impl FnOnce(&mut Dns)) -> wasmtime::Result<()> {
        set(&mut self.dns);
        if self.dns.bytes() <= limits::DNS_BYTES {
            Ok(())
        } else {
            let most = format!("{} KiB", limits::DNS_BYTES >> 10);
            Err(limits::exceeded("DNS settings of a result", most).into())
        }
    }
}

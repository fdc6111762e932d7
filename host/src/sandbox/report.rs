//! What a guest reports.

use super::limits;
use super::lower::violation;
use crate::cni::CniError;
use crate::value::{Dns, Interface, Ip, LinkRef, Report, Route};

/// A report in which an address may still name a link that is reported later.
#[derive(Debug, Default)]
pub struct DraftReport {
    /// Interfaces of `prevResult`, if that is passed on.
    pub passed: Option<Vec<Interface>>,
    /// Links of the plan.
    pub links: Vec<LinkRef>,
    /// Those whose addresses are reported as they turn out.
    pub with_addresses: Vec<LinkRef>,
    /// Addresses, each with its link.
    pub ips: Vec<(Ip, Option<LinkRef>)>,
    /// Routes.
    pub routes: Vec<Route>,
    /// DNS settings.
    pub dns: Dns,
}

impl DraftReport {
    /// The report, each address with the index of its link.
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

    /// Begins with a report that is passed on; its texts and lists have been bounded by the configuration's size.
    pub fn pass(&mut self, previous: Report) {
        let Report { passed, ips, routes, dns, .. } = previous;
        self.passed = Some(passed);
        self.ips = ips.into_iter().map(|ip| (ip, None)).collect();
        self.routes = routes;
        self.dns = dns;
    }

    /// Whether a list that is so long has room for one more.
    pub fn room(length: usize) -> Result<(), CniError> {
        if length < limits::ACTIONS {
            Ok(())
        } else {
            Err(limits::exceeded("entries of a result", limits::ACTIONS))
        }
    }

    /// Changes the DNS settings, which have room for so much.
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

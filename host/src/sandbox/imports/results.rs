//! `results`: the result that the plugin reports to the runtime.

use super::wit::links::Link;
use super::wit::results::{Host, HostIp, HostRoute, Ip as IpHandle, Route as RouteHandle};
use super::wit::types::{IpAddress, Prefix};
use crate::sandbox::guest::Guest;
use crate::sandbox::lower::{self, violation};
use crate::sandbox::report::DraftReport;
use crate::value::{Ip, LinkRef, Route};
use wasmtime::component::Resource;

impl Host for Guest {
    fn add_link(&mut self, link: Resource<Link>) -> wasmtime::Result<()> {
        let link = self.link(&link)?;
        if !self.report.links.contains(&link) {
            DraftReport::room(self.report.links.len())?;
            self.report.links.push(link);
        }
        Ok(())
    }

    fn add_addresses_of(&mut self, link: Resource<Link>) -> wasmtime::Result<()> {
        let link = self.link(&link)?;
        if !self.report.with_addresses.contains(&link) {
            DraftReport::room(self.report.with_addresses.len())?;
            self.report.with_addresses.push(link);
        }
        Ok(())
    }

    fn pass_previous(&mut self) -> wasmtime::Result<()> {
        if self.report.passed.is_some() {
            return Ok(());
        }
        if !self.report.ips.is_empty() || !self.report.routes.is_empty() {
            return Err(violation("prevResult is passed on before anything else is reported").into());
        }
        let previous = self.recorder().request.previous();
        if let Some(previous) = previous {
            self.report.pass(previous);
        }
        Ok(())
    }

    fn set_dns_nameservers(&mut self, nameservers: Vec<String>) -> wasmtime::Result<()> {
        self.report.set_dns(|dns| dns.nameservers = nameservers)
    }

    fn set_dns_domain(&mut self, domain: String) -> wasmtime::Result<()> {
        self.report.set_dns(|dns| dns.domain = Some(domain).filter(|domain| !domain.is_empty()))
    }

    fn set_dns_search(&mut self, search: Vec<String>) -> wasmtime::Result<()> {
        self.report.set_dns(|dns| dns.search = search)
    }

    fn set_dns_options(&mut self, options: Vec<String>) -> wasmtime::Result<()> {
        self.report.set_dns(|dns| dns.options = options)
    }
}

impl HostIp for Guest {
    fn new(&mut self, address: Prefix) -> wasmtime::Result<Resource<IpHandle>> {
        let ip = Ip { address: lower::prefix(address)?, gateway: None, interface: None };
        DraftReport::room(self.report.ips.len())?;
        self.report.ips.push((ip, None));
        Ok(self.report_ips.push(self.report.ips.len() - 1)?)
    }

    fn set_gateway(&mut self, ip: Resource<IpHandle>, gateway: IpAddress) -> wasmtime::Result<()> {
        self.reported_ip(&ip)?.0.gateway = Some(lower::address(gateway));
        Ok(())
    }

    fn set_link(&mut self, ip: Resource<IpHandle>, link: Resource<Link>) -> wasmtime::Result<()> {
        let link = self.link(&link)?;
        self.reported_ip(&ip)?.1 = Some(link);
        Ok(())
    }

    fn drop(&mut self, _: Resource<IpHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostRoute for Guest {
    fn new(&mut self, destination: Prefix) -> wasmtime::Result<Resource<RouteHandle>> {
        let route = Route::to(lower::prefix(destination)?);
        DraftReport::room(self.report.routes.len())?;
        self.report.routes.push(route);
        Ok(self.report_routes.push(self.report.routes.len() - 1)?)
    }

    fn set_gateway(&mut self, route: Resource<RouteHandle>, gateway: IpAddress) -> wasmtime::Result<()> {
        self.reported_route(&route)?.gw = Some(lower::address(gateway));
        Ok(())
    }

    fn set_mtu(&mut self, route: Resource<RouteHandle>, mtu: u32) -> wasmtime::Result<()> {
        self.reported_route(&route)?.mtu = (mtu != 0).then_some(mtu);
        Ok(())
    }

    fn set_advmss(&mut self, route: Resource<RouteHandle>, advmss: u32) -> wasmtime::Result<()> {
        self.reported_route(&route)?.advmss = (advmss != 0).then_some(advmss);
        Ok(())
    }

    fn set_priority(&mut self, route: Resource<RouteHandle>, priority: u32) -> wasmtime::Result<()> {
        self.reported_route(&route)?.priority = (priority != 0).then_some(priority);
        Ok(())
    }

    fn set_table(&mut self, route: Resource<RouteHandle>, table: u32) -> wasmtime::Result<()> {
        self.reported_route(&route)?.table = Some(table);
        Ok(())
    }

    fn set_scope(&mut self, route: Resource<RouteHandle>, scope: u8) -> wasmtime::Result<()> {
        self.reported_route(&route)?.scope = Some(scope);
        Ok(())
    }

    fn drop(&mut self, _: Resource<RouteHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Guest {
    fn reported_ip(&mut self, ip: &Resource<IpHandle>) -> wasmtime::Result<&mut (Ip, Option<LinkRef>)> {
        let index = *self.report_ips.get(ip)?;
        let found = self.report.ips.get_mut(index);
        found.ok_or_else(|| wasmtime::format_err!("an address that is not in the report"))
    }

    fn reported_route(&mut self, route: &Resource<RouteHandle>) -> wasmtime::Result<&mut Route> {
        let index = *self.report_routes.get(route)?;
        let found = self.report.routes.get_mut(index);
        found.ok_or_else(|| wasmtime::format_err!("a route that is not in the report"))
    }
}

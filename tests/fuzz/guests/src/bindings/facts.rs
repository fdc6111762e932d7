//! What a plugin may know: its request, the machine, and what its delegate reported.

use super::types::{AddressRange, Error, IpAddress, Netns, Prefix};
use super::{Resource, call, host};

/// `request`.
pub mod request {
    use super::answers::Answer;
    use super::*;
    use host::request::Host;

    /// See `wit/request.wit`.
    pub fn previous() -> Option<Answer> {
        call(|guest| guest.previous()).map(Answer::own)
    }

    /// See `wit/request.wit`.
    pub fn config() -> String {
        call(|guest| guest.config())
    }

    /// See `wit/request.wit`.
    pub fn container_id() -> String {
        call(|guest| guest.container_id())
    }

    /// See `wit/request.wit`.
    pub fn interface_name() -> String {
        call(|guest| guest.interface_name())
    }

    /// See `wit/request.wit`.
    pub fn args() -> String {
        call(|guest| guest.args())
    }
}

/// `observe`.
pub mod observe {
    use super::*;
    use host::observe::{Host, HostLinkInfo};

    handle!(LinkInfo, host::observe::LinkInfo);

    impl LinkInfo {
        /// See `wit/observe.wit`.
        pub fn kind(&self) -> String {
            call(|guest| HostLinkInfo::kind(guest, self.lend()))
        }

        /// See `wit/observe.wit`.
        pub fn addresses(&self) -> Vec<Prefix> {
            let addresses = call(|guest| HostLinkInfo::addresses(guest, self.lend()));
            addresses.into_iter().map(Into::into).collect()
        }
    }

    /// See `wit/observe.wit`.
    pub fn find_link(netns: Netns, name: &str) -> Option<LinkInfo> {
        call(|guest| guest.find_link(netns.into(), name.to_owned())).map(LinkInfo::own)
    }

    /// See `wit/observe.wit`.
    pub fn host_end() -> Option<String> {
        call(|guest| guest.host_end())
    }

    /// See `wit/observe.wit`.
    pub fn route_to(address: IpAddress) -> Option<String> {
        call(|guest| guest.route_to(address.into()))
    }

    /// See `wit/observe.wit`.
    pub fn read_file(path: &str) -> Result<Vec<u8>, Error> {
        Ok(call(|guest| guest.read_file(path.to_owned()))?)
    }

    /// See `wit/observe.wit`.
    pub fn find_file(path: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(call(|guest| guest.find_file(path.to_owned()))?)
    }
}

/// `leases`.
pub mod leases {
    use super::*;
    use host::leases::HostStore;

    handle!(Store, host::leases::Store);

    impl Store {
        /// See `wit/leases.wit`.
        pub fn open(data_dir: Option<&str>) -> Result<Store, Error> {
            Ok(call(|guest| guest.open(data_dir.map(str::to_owned))).map(Store::own)?)
        }

        /// See `wit/leases.wit`.
        pub fn free(&self, within: AddressRange) -> Vec<AddressRange> {
            let free = call(|guest| guest.free(self.lend(), within.into()));
            free.into_iter().map(Into::into).collect()
        }

        /// See `wit/leases.wit`.
        pub fn held(&self) -> Vec<IpAddress> {
            call(|guest| guest.held(self.lend())).into_iter().map(Into::into).collect()
        }

        /// See `wit/leases.wit`.
        pub fn reusable(&self) -> Vec<IpAddress> {
            call(|guest| guest.reusable(self.lend())).into_iter().map(Into::into).collect()
        }

        /// See `wit/leases.wit`.
        pub fn keep(&self, address: IpAddress, set: u32) {
            call(|guest| guest.keep(self.lend(), address.into(), set));
        }

        /// See `wit/leases.wit`.
        pub fn last_reserved(&self, set: u32) -> Option<IpAddress> {
            call(|guest| guest.last_reserved(self.lend(), set)).map(Into::into)
        }

        /// See `wit/leases.wit`.
        pub fn reserve(&self, address: IpAddress, set: u32) {
            call(|guest| guest.reserve(self.lend(), address.into(), set));
        }
    }
}

/// `delegate`.
pub mod delegate {
    use super::answers::Answer;
    use super::*;
    use crate::run::run_delegate;

    /// See `wit/delegate.wit`.
    pub fn add(plugin: &str) -> Result<Answer, Error> {
        Ok(call(|guest| guest.add_delegate(plugin, run_delegate)).map(Answer::own)?)
    }
}

/// `answers`.
pub mod answers {
    use super::*;
    use host::answers::HostAnswer;

    handle!(Answer, host::answers::Answer);

    impl Answer {
        /// See `wit/answers.wit`.
        pub fn interface_count(&self) -> u32 {
            call(|guest| guest.interface_count(self.lend()))
        }

        /// See `wit/answers.wit`.
        pub fn interface_name(&self, index: u32) -> String {
            call(|guest| guest.interface_name(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn interface_mac(&self, index: u32) -> String {
            call(|guest| guest.interface_mac(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn interface_sandbox(&self, index: u32) -> String {
            call(|guest| guest.interface_sandbox(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn ip_interface(&self, index: u32) -> Option<u32> {
            call(|guest| guest.ip_interface(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn ip_count(&self) -> u32 {
            call(|guest| guest.ip_count(self.lend()))
        }

        /// See `wit/answers.wit`.
        pub fn ip_address(&self, index: u32) -> Prefix {
            call(|guest| guest.ip_address(self.lend(), index)).into()
        }

        /// See `wit/answers.wit`.
        pub fn ip_gateway(&self, index: u32) -> Option<IpAddress> {
            call(|guest| guest.ip_gateway(self.lend(), index)).map(Into::into)
        }

        /// See `wit/answers.wit`.
        pub fn route_count(&self) -> u32 {
            call(|guest| guest.route_count(self.lend()))
        }

        /// See `wit/answers.wit`.
        pub fn route_destination(&self, index: u32) -> Prefix {
            call(|guest| guest.route_destination(self.lend(), index)).into()
        }

        /// See `wit/answers.wit`.
        pub fn route_gateway(&self, index: u32) -> Option<IpAddress> {
            call(|guest| guest.route_gateway(self.lend(), index)).map(Into::into)
        }

        /// See `wit/answers.wit`.
        pub fn route_mtu(&self, index: u32) -> Option<u32> {
            call(|guest| guest.route_mtu(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn route_advmss(&self, index: u32) -> Option<u32> {
            call(|guest| guest.route_advmss(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn route_priority(&self, index: u32) -> Option<u32> {
            call(|guest| guest.route_priority(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn route_table(&self, index: u32) -> Option<u32> {
            call(|guest| guest.route_table(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn route_scope(&self, index: u32) -> Option<u8> {
            call(|guest| guest.route_scope(self.lend(), index))
        }

        /// See `wit/answers.wit`.
        pub fn dns_nameservers(&self) -> Vec<String> {
            call(|guest| guest.dns_nameservers(self.lend()))
        }

        /// See `wit/answers.wit`.
        pub fn dns_domain(&self) -> Option<String> {
            call(|guest| guest.dns_domain(self.lend()))
        }

        /// See `wit/answers.wit`.
        pub fn dns_search(&self) -> Vec<String> {
            call(|guest| guest.dns_search(self.lend()))
        }

        /// See `wit/answers.wit`.
        pub fn dns_options(&self) -> Vec<String> {
            call(|guest| guest.dns_options(self.lend()))
        }
    }
}

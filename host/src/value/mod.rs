//! Data that all modules share: names, addresses, routes, results. Nothing here accesses the machine.

pub mod attachment;
pub mod derive;
pub mod fact;
pub mod kind;
pub mod length;
pub mod link;
pub mod name;
pub mod place;
pub mod port;
pub mod range;
pub mod report;
pub mod route;
pub mod shell;

pub use attachment::{Attachment, Owner, StoreRef};
pub use fact::{AddressRange, Backend, Fact, Firewall, LinkFact};
pub use kind::Kind;
pub use link::{LinkIdentity, LinkRef, Netns, NetnsId};
pub use name::{ContainerId, IDENTIFIER_BYTES, IfName, Mac, NameError, NetworkName, PluginName, SysctlKey};
pub use port::PortMapping;
pub use range::{Range, Subnet};
pub use report::{Dns, Interface, Ip, Report};
pub use route::Route;

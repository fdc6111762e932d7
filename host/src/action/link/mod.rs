//! Links: what makes them, changes them, waits for them and deletes them.

pub mod announce;
pub mod attribute;
pub mod bridge;
pub mod delete;
pub mod port;
pub mod promiscuous;
pub mod save;
pub mod settle;
pub mod stale;
pub mod up;
pub mod veth;
pub mod vlan_gateway;

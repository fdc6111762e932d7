//! The machine that ships: Linux, as netlink, files and processes reach it.

pub mod tables;

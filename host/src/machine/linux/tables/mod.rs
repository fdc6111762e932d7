//! Tables of rules, through the programs that list and change them.

pub mod nft;

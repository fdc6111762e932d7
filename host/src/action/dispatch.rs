//! From a list to its rooms: the only matches on [`Action`] and [`Undo`].

use super::*;

/// The dispatch: `list`, `method` and `trait` of an enum whose variants hold each a type of a room.
macro_rules! dispatch {
    ($list:ident, $method:ident, $interface:ident, $($variant:ident($room:ty),)*) => {
        impl $list {
            /// What its room does with it.
            pub fn $method(&self) -> &dyn $interface {
                match self {
                    $($list::$variant(room) => room,)*
                }
            }

            /// The names of all kinds.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($variant),)*];
        }

        $(impl From<$room> for $list {
            fn from(room: $room) -> Self {
                $list::$variant(room)
            }
        })*
    };
}

dispatch! { Action, kind, Kind,
    ReserveLease(ReserveLease),
    DeleteStaleLink(DeleteStaleLink),
    EnsureBridge(EnsureBridge),
    CreateVeth(CreateVeth),
    EnsureVlanGateway(EnsureVlanGateway),
    SetUp(SetUp),
    SetPromiscuous(SetPromiscuous),
    Settle(Settle),
    Announce(Announce),
    DeleteAddress(DeleteAddress),
    AddAddress(AddAddress),
    AddRoute(AddRoute),
    SetSysctl(SetSysctl),
    Masquerade(Masquerade),
    MasqueradeNft(MasqueradeNft),
    MapPorts(MapPorts),
    DeletePortMap(DeletePortMap),
    CheckSourceMac(CheckSourceMac),
    Filter(FilterRule),
    Shape(Shape),
    Delegate(Delegate),
    SetLink(SetLink),
    SaveLink(SaveLink),
}

dispatch! { Undo, inverse, Inverse,
    DeleteLink(DeleteLink),
    DeleteMarkedLink(DeleteMarkedLink),
    DeleteEmptyBridge(DeleteEmptyBridge),
    RemoveAddress(RemoveAddress),
    RestoreAddress(RestoreAddress),
    SetDown(SetDown),
    ClearPromiscuous(ClearPromiscuous),
    RestoreLink(RestoreLink),
    ForgetLink(ForgetLink),
    RestoreSysctl(RestoreSysctl),
    RemoveMasquerade(RemoveMasquerade),
    RemoveMasqueradeNft(RemoveMasqueradeNft),
    RemovePorts(RemovePorts),
    DeletePortMap(DeletePortMap),
    RemoveSourceMac(RemoveSourceMac),
    RemoveFilter(RemoveFilter),
    RemoveShape(RemoveShape),
    DeleteIfb(DeleteIfb),
    EndDelegate(EndDelegate),
    ReleaseLease(ReleaseLease),
    RestoreLastReserved(RestoreLastReserved),
}

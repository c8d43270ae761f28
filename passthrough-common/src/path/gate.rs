//! Gate: whether a class's switch lets a packet through. Nothing else decides that.

use crate::abi::{Class, Reason, Settings, Switch};

/// Lets a packet of this class through, or says why not. The gateway's own traffic never comes here.
///
/// # Errors
///
/// `refusal` if the switch is off.
#[inline(always)]
pub fn check(settings: &Settings, class: Class, refusal: Reason) -> Result<(), Reason> {
    match settings.switch(class) {
        Switch::Off => Err(refusal),
        Switch::Plain | Switch::Full => Ok(()),
    }
}

/// Whether any switch of a class that is told by TCP or UDP ports is off: then a fragment without ports may hide it
/// (conformance O8).
#[inline(always)]
pub fn ports_matter(settings: &Settings) -> bool {
    let off = |class| settings.switch(class) == Switch::Off;
    off(Class::Pptp)
        || off(Class::Ike)
        || off(Class::NatT)
        || off(Class::L2tp)
        || off(Class::Openvpn)
        || off(Class::Wireguard)
        || off(Class::Sstp)
}

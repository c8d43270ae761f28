//! Sweep: removes sessions that are over, or those that the operator wants gone. What belongs to none any more goes with it:
//! control connections ([`connection`]) and servers' records ([`server`]).

use crate::abi::{Class, Session, SessionKey, Ticks};
pub use crate::proto::gre_pptp::control::remove_if_over as connection;
use crate::proto::halves;
pub use crate::proto::servers::remove_if_silent as server;
use crate::seam::World;
use crate::session::{idle, pair};

/// What a sweep removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sweep {
    /// Classes whose sessions go, whatever their age: a bit each, by class index.
    pub classes: u32,
    /// The inside host whose sessions go; 0 for none.
    pub host: u32,
    /// Everything goes.
    pub all: bool,
}

/// For how long a session that is over is left alone, so that a packet that just renews it wins.
const GRACE: Ticks = Ticks::from_secs(1);

/// Removes this entry if the sweep is for it; `true` if it did.
#[inline(always)]
pub fn visit<W: World>(world: &W, sweep: &Sweep, key: &SessionKey, session: &Session) -> bool {
    let wanted = sweep.all
        || sweep.classes & class_bit(session.class()) != 0
        || (sweep.host != 0 && sweep.host == pair::inside(key, session))
        || is_due(world, key, session);
    if wanted {
        halves::remove(world, key, session);
    }
    wanted
}

#[inline(always)]
fn is_due<W: World>(world: &W, key: &SessionKey, session: &Session) -> bool {
    // A lease that has not been over for long needs no look at the other half.
    let while_ago = Ticks(world.now().0.wrapping_sub(GRACE.0));
    idle::lease_is_over(session, while_ago) && halves::is_over(world, key, session)
}

/// The bit of a class in [`Sweep::classes`].
pub const fn class_bit(class: Class) -> u32 {
    1 << class as u32
}

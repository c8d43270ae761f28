//! To whom an unknown inbound SPI belongs, from who stands where (rules 6 and 7).

use crate::abi::Reason;

/// The highest sequence number that a fresh security association may show first (rule 7).
pub const FRESH: u32 = 32;

/// None, one or several hosts, without a count: the last one and the one before.
///
/// An address that no inside host has, the server's, stands for nobody. For the verifier everything here is an unknown
/// number, so that all ways through a loop end in the same state.
#[derive(Clone, Copy)]
pub struct Hosts {
    nobody: u32,
    last: u32,
    before: u32,
}

impl Hosts {
    /// No hosts.
    #[inline(always)]
    pub const fn none(nobody: u32) -> Hosts {
        Hosts { nobody, last: nobody, before: nobody }
    }

    /// One host more.
    #[inline(always)]
    pub const fn add(&mut self, host: u32) {
        self.before = self.last;
        self.last = host;
    }

    /// Whether there are none.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.last == self.nobody
    }

    /// The only one.
    #[inline(always)]
    pub const fn only(&self) -> Option<u32> {
        if self.last != self.nobody && self.before == self.nobody { Some(self.last) } else { None }
    }
}

/// Who stands where with one server.
#[derive(Clone, Copy)]
pub struct Survey {
    /// All of K.
    pub members: Hosts,
    /// Whose learn window is exclusive.
    pub exclusive: Hosts,
    /// Whose learn window is lazy.
    pub lazy: Hosts,
    /// Who has sent ESP for more than thirty seconds.
    pub old: Hosts,
    /// Who has sent ESP, and for whom no inbound SPI was ever learned.
    pub unpaired: Hosts,
    /// Who is both.
    pub unpaired_old: Hosts,
    /// Who is owed an inbound SPI.
    pub owed: Hosts,
}

impl Survey {
    /// Nobody anywhere; `nobody` as in [`Hosts`].
    #[inline(always)]
    pub const fn empty(nobody: u32) -> Survey {
        let none = Hosts::none(nobody);
        Survey {
            members: none,
            exclusive: none,
            lazy: none,
            old: none,
            unpaired: none,
            unpaired_old: none,
            owed: none,
        }
    }
}

/// The host that an unknown inbound SPI belongs to, by the sequence number of the packet in hand.
///
/// Stricter than rule 6 in one case: a large sequence number is none of a fresh association, so an exclusive window
/// does not win it while another host waits for its first answer, as all do after a loss of state.
///
/// # Errors
///
/// [`Reason::EspUnsolicited`], [`Reason::EspAmbiguous`].
#[inline(always)]
pub fn decide(survey: &Survey, sequence: u32) -> Result<u32, Reason> {
    if survey.members.is_empty() {
        return Err(Reason::EspUnsolicited);
    }
    if let Some(host) = survey.members.only() {
        return Ok(host);
    }
    let by_window = if survey.exclusive.is_empty() { survey.lazy.only() } else { survey.exclusive.only() };
    let host = if sequence <= FRESH {
        by_window
    } else if survey.unpaired.is_empty() {
        by_window.or(survey.old.only())
    } else {
        let unrivalled = match survey.unpaired.only() {
            Some(host) if survey.exclusive.is_empty() || survey.exclusive.only() == Some(host) => Some(host),
            _ => None,
        };
        unrivalled.or(survey.unpaired_old.only())
    };
    host.ok_or(Reason::EspAmbiguous)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: u32 = 1;

    fn survey(members: &[u32], exclusive: &[u32], lazy: &[u32]) -> Survey {
        let mut survey = Survey::empty(NOBODY);
        members.iter().for_each(|host| survey.members.add(*host));
        exclusive.iter().for_each(|host| survey.exclusive.add(*host));
        lazy.iter().for_each(|host| survey.lazy.add(*host));
        survey
    }

    #[test]
    fn rule_6_in_its_order() {
        assert_eq!(decide(&survey(&[], &[], &[]), 1), Err(Reason::EspUnsolicited));
        assert_eq!(decide(&survey(&[10], &[], &[]), 9999), Ok(10));
        assert_eq!(decide(&survey(&[10, 11], &[10], &[11]), 1), Ok(10));
        assert_eq!(decide(&survey(&[10, 11], &[], &[11]), 1), Ok(11));
        assert_eq!(decide(&survey(&[10, 11, 12], &[], &[11, 12]), 1), Err(Reason::EspAmbiguous), "E6");
        assert_eq!(decide(&survey(&[10, 11], &[10, 11], &[]), 1), Err(Reason::EspAmbiguous), "a lost race");
        assert_eq!(decide(&survey(&[10, 11], &[], &[]), 1), Err(Reason::EspAmbiguous));
    }

    #[test]
    fn rule_7_a_large_sequence_number_belongs_to_an_old_sender() {
        let mut both = survey(&[10, 11], &[], &[]);
        both.old.add(11);
        assert_eq!(decide(&both, 1), Err(Reason::EspAmbiguous));
        assert_eq!(decide(&both, 33), Ok(11));
        let mut waiting = survey(&[10, 11], &[10], &[]);
        waiting.unpaired.add(11);
        assert_eq!(decide(&waiting, 33), Err(Reason::EspAmbiguous));
        waiting.unpaired_old.add(11);
        assert_eq!(decide(&waiting, 33), Ok(11));
        assert_eq!(decide(&waiting, 32), Ok(10));
    }
}

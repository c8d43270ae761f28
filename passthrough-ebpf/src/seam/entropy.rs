//! The kernel's random numbers.

use aya_ebpf::helpers::bpf_get_prandom_u32;
use passthrough_common::seam::Entropy;

use super::Kernel;

impl<C> Entropy for Kernel<C> {
    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: the helper takes no argument and returns a number.
        unsafe { bpf_get_prandom_u32() }
    }
}

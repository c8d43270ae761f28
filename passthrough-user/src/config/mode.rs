//! Which path packets shall take, as the operator asks for it, and as the settings keep it.

use passthrough_common::abi::{Settings, settings::option};

use super::usage::usage;

/// The path that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// The best that each interface can: native XDP, else TC.
    #[default]
    Auto,
    /// TC alone.
    Tc,
    /// Native XDP on every interface, or nothing.
    Xdp,
    /// Generic XDP, which works on the stack's own buffers: for trying out where the driver has no native XDP.
    Generic,
}

/// Every mode, at its number in [`option::MODE`].
const ALL: [Mode; 4] = [Mode::Auto, Mode::Tc, Mode::Xdp, Mode::Generic];

impl Mode {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Auto => "auto",
            Mode::Tc => "tc",
            Mode::Xdp => "xdp",
            Mode::Generic => "generic",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> anyhow::Result<Mode> {
        ALL.into_iter()
            .find(|mode| mode.name() == word)
            .ok_or_else(|| usage(format!("no mode is called '{word}': use auto, xdp, tc or generic")))
    }

    /// The mode in the settings.
    pub fn of(settings: &Settings) -> Mode {
        let number = (settings.options & option::MODE) >> option::MODE.trailing_zeros();
        ALL[number as usize % ALL.len()]
    }

    /// Puts it into the settings.
    pub fn keep(self, settings: &mut Settings) {
        settings.options = settings.options & !option::MODE | (self as u32) << option::MODE.trailing_zeros();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_the_mode_and_nothing_else_changes() {
        for mode in ALL {
            let mut settings = Settings { options: option::FIXED_POOL | option::MODE, ..Settings::DEFAULT };
            mode.keep(&mut settings);
            assert_eq!((Mode::of(&settings), settings.has(option::FIXED_POOL)), (mode, true));
            assert_eq!(Mode::parse(mode.name()).expect("a mode"), mode);
        }
        assert_eq!(Mode::of(&Settings::DEFAULT), Mode::Auto);
    }
}

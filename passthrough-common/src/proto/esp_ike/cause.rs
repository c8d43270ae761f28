//! What a learn window is asked for.

/// Why a host wants a learn window (rule 3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It sends ESP with an SPI for the first time, the number beside (rule 3a).
    Esp,
    /// The same, with a sequence number that a fresh association does not show.
    OldEsp,
    /// It asks for a child association. The window opens before the association is there (rule 3b opens it after):
    /// so of two hosts that ask at once, one waits before the server can send to both.
    Request,
    /// The exchange that makes the association ends (rule 3b).
    Completed,
    /// The same, of an exchange that the server began.
    Answered,
    /// A quick-mode message, its ID being the number beside: the third one, or an answer, if the server has sent this ID;
    /// else the first.
    QuickMode,
}

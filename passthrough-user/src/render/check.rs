//! The findings of `check`: a line each, with the fix.

use std::io::{self, Write};

use serde::Serialize;

use super::{BAD, FAINT, GOOD, NOTICE, Show, styled};

/// How a finding weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Good to know; nothing is wrong.
    Note,
    /// Keeps traffic back, or may.
    Fault,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How it weighs.
    pub weight: Weight,
    /// What was looked at, in a word.
    pub subject: String,
    /// What was found.
    pub finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// Something as it should be.
    pub fn fine(subject: impl Into<String>, finding: impl Into<String>) -> Finding {
        Finding { weight: Weight::Fine, subject: subject.into(), finding: finding.into(), fix: None }
    }

    /// Something good to know.
    pub fn note(subject: impl Into<String>, finding: impl Into<String>) -> Finding {
        Finding { weight: Weight::Note, subject: subject.into(), finding: finding.into(), fix: None }
    }

    /// A fault and its fix.
    pub fn fault(subject: impl Into<String>, finding: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            weight: Weight::Fault,
            subject: subject.into(),
            finding: finding.into(),
            fix: Some(fix.into()),
        }
    }
}

/// All findings.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// How many are faults.
    pub faults: usize,
    /// A finding each.
    pub findings: Vec<Finding>,
}

impl Check {
    /// From findings.
    pub fn new(findings: Vec<Finding>) -> Check {
        Check { faults: findings.iter().filter(|finding| finding.weight == Weight::Fault).count(), findings }
    }
}

impl Show for Check {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.findings {
            let mark = match finding.weight {
                Weight::Fine => styled(GOOD, "ok   "),
                Weight::Note => styled(NOTICE, "note "),
                Weight::Fault => styled(BAD, "FAULT"),
            };
            write!(out, "{mark} {}: {}", finding.subject, finding.finding)?;
            match &finding.fix {
                Some(fix) => writeln!(out, " {}", styled(FAINT, &format!("-> {fix}")))?,
                None => writeln!(out)?,
            }
        }
        match self.faults {
            0 => writeln!(out, "{}", styled(GOOD, "no faults")),
            1 => writeln!(out, "{}", styled(BAD, "1 fault")),
            faults => writeln!(out, "{}", styled(BAD, &format!("{faults} faults"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plain;

    #[test]
    fn a_fault_is_one_line_with_its_fix() {
        let check = Check::new(vec![
            Finding::fine("attached", "wan0 has its programs"),
            Finding::fault("forwarding", "IPv4 is not forwarded", "sysctl -w net.ipv4.ip_forward=1"),
        ]);
        assert_eq!(check.faults, 1);
        assert_eq!(
            plain(&check),
            "ok    attached: wan0 has its programs\n\
             FAULT forwarding: IPv4 is not forwarded -> sysctl -w net.ipv4.ip_forward=1\n1 fault\n"
        );
    }
}

//! The machine that was measured on, as a reader must know it.

use std::{fs, thread};

/// What it is.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors.
    pub processors: usize,
    /// The kernel's version.
    pub kernel: String,
    /// What the kernel does against faults of the processor that costs indirect calls.
    pub spectre: String,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// The day, in universal time: `2026-11-22`.
    pub day: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split(':').nth(1)).unwrap_or_default().trim().to_owned()
        };
        let meminfo = read("/proc/meminfo");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = total.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Machine {
            processor: format!(
                "{} (family {}, model {}, cache {})",
                cpu("model name"),
                cpu("cpu family"),
                cpu("model\t"),
                cpu("cache size")
            ),
            processors: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            spectre: read("/sys/devices/system/cpu/vulnerabilities/spectre_v2").trim().to_owned(),
            memory_mib: kib.unwrap_or(0) / 1024,
            day: day(now.map_or(0, |time| time.as_secs() / 86_400)),
        }
    }
}

/// The date of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`, for days after that).
fn day(days: u64) -> String {
    // Counted from 0000-03-01, so that a leap day is a year's last.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// Time of all processors since the machine started, and how much of it the host gave to others, in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    all: u64,
    stolen: u64,
}

impl Time {
    /// Until now.
    pub fn now() -> Time {
        let told = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = told.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests' time is part of user.
        Time { all: ticks.iter().take(8).sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }

    /// The share that was stolen since an earlier time, 0 to 1.
    pub fn stolen_since(&self, earlier: &Time) -> f64 {
        let all = self.all.saturating_sub(earlier.all);
        if all == 0 { 0.0 } else { self.stolen.saturating_sub(earlier.stolen) as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(11_017), "2000-03-01");
        assert_eq!(day(20_779), "2026-11-22");
    }

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        let (before, after) = (Time { all: 100, stolen: 5 }, Time { all: 300, stolen: 25 });
        assert_eq!(after.stolen_since(&before), 0.1);
        assert_eq!(before.stolen_since(&before), 0.0);
    }
}

//! How long the batches of a run took, and what a packet took after interruptions are left out.

use super::layout::{BATCH, BUCKETS, Bucket, shortest};

/// A batch that took so many times as long as the median one was interrupted: by a timer, or by a host that gave the
/// processor to another guest. What packets cause is never that uneven.
const INTERRUPTED: u64 = 4;

/// Durations of batches, by bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batches {
    buckets: Vec<Bucket>,
}

impl Default for Batches {
    fn default() -> Batches {
        Batches { buckets: vec![[0; 2]; BUCKETS as usize] }
    }
}

impl Batches {
    /// From the generator's table.
    pub fn new(buckets: Vec<Bucket>) -> Batches {
        Batches { buckets }
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Batches) {
        for (own, other) in self.buckets.iter_mut().zip(&other.buckets) {
            own[0] += other[0];
            own[1] += other[1];
        }
    }

    /// From the first batch's beginning to the last one's, ns, interruptions included.
    pub fn ns(&self) -> u64 {
        self.buckets.iter().map(|[_, ns]| ns).sum()
    }

    /// The shortest duration of the bucket that the median batch falls into.
    fn median(&self) -> u64 {
        let half = self.buckets.iter().map(|[count, _]| count).sum::<u64>().div_ceil(2);
        let mut passed = 0;
        for (bucket, [count, _]) in (0..).zip(&self.buckets) {
            passed += count;
            if passed >= half {
                return shortest(bucket);
            }
        }
        0
    }

    /// Batches that nothing interrupted, and their time.
    fn undisturbed(&self) -> (u64, u64) {
        let limit = INTERRUPTED * self.median();
        let kept = (0..).zip(&self.buckets).filter(|(bucket, _)| shortest(*bucket) <= limit);
        kept.fold((0, 0), |(batches, time), (_, [count, ns])| (batches + count, time + ns))
    }

    /// Time of a packet, ns; `None` if no batch was timed.
    pub fn ns_a_packet(&self) -> Option<f64> {
        let (batches, ns) = self.undisturbed();
        (batches > 0).then(|| ns as f64 / (batches * BATCH) as f64)
    }

    /// Share of the time that went to batches that were interrupted, 0 to 1.
    pub fn interrupted(&self) -> f64 {
        let all = self.ns();
        if all == 0 { 0.0 } else { 1.0 - self.undisturbed().1 as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::bucket;
    use super::*;

    fn batches(durations: &[u64]) -> Batches {
        let mut batches = Batches::default();
        for ns in durations {
            let place = &mut batches.buckets[bucket(*ns) as usize];
            place[0] += 1;
            place[1] += ns;
        }
        batches
    }

    #[test]
    fn a_bucket_holds_what_is_put_into_it() {
        for ns in [4, 5, 7, 8, 100, 6400, 6401, 1 << 20, u64::from(u32::MAX)] {
            let bucket = bucket(ns);
            assert!(shortest(bucket) <= ns, "{ns}");
            assert!(ns < shortest(bucket + 1), "{ns}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_interruption_is_left_out_and_told() {
        let run = batches(&[6400, 6400, 6500, 1_000_000]);
        let ns = run.ns_a_packet().unwrap();
        assert!((ns - 19_300.0 / 192.0).abs() < 0.01, "{ns}");
        assert!(run.interrupted() > 0.98);
        assert_eq!(Batches::default().ns_a_packet(), None);
    }

    #[test]
    fn uneven_batches_all_count() {
        let run = batches(&[6400, 9000, 12_000, 20_000]);
        assert_eq!(run.interrupted(), 0.0);
        assert!((run.ns_a_packet().unwrap() - 47_400.0 / 256.0).abs() < 0.01);
    }
}

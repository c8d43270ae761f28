//! The vectors through the real programs: TC test-run must answer as the host does.

use passthrough_tests::vectors::kernel::with_kernel;
use passthrough_tests::vectors::{Outcome, Vector, cases, host};

#[test]
fn every_vector_gets_one_answer_on_the_host_and_in_the_kernel() {
    let (played, failed) = with_kernel(passthrough_user::loader::OBJECT, |kernel| {
        let (mut played, mut failed) = (0, kernel.refused.clone());
        for (topic, vectors) in cases::ALL {
            for vector in vectors.iter().filter(|vector| vector.host_only.is_none()) {
                played += 1;
                kernel.renew()?;
                let answers = vector.run(kernel);
                let problem = answers.and_then(|there| compare(vector, &there));
                failed.extend(problem.err().map(|problem| format!("{topic}: {problem}")));
            }
        }
        Ok((played, failed))
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
    assert!(
        failed.is_empty(),
        "{} of {played} vectors fail in the kernel:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Whether the host's answers are the kernel's, byte for byte where nothing is drawn at random.
fn compare(vector: &Vector, there: &[Outcome]) -> Result<(), String> {
    let here = vector.run(&mut host::Host::default())?;
    for (index, (here, there)) in here.iter().zip(there).enumerate() {
        let same = here.fate == there.fate
            && here.counted == there.counted
            && (vector.draws || here.frame == there.frame);
        if !same {
            return Err(format!(
                "[{}] {}: frame {index}: the host says {here:?}, the kernel {there:?}",
                vector.rows, vector.says
            ));
        }
    }
    if here.len() == there.len() { Ok(()) } else { Err(format!("{}: another number of frames", vector.says)) }
}

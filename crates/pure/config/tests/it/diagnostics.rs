//! What an operator reads when a file is wrong.

use crate::fixture::{DOZEN, printed, read};

#[test]
fn every_problem_of_a_file_is_reported_in_one_run() {
    let problems = read(DOZEN).err().expect("the file is wrong in many places");
    insta::assert_snapshot!(printed(&problems));
}

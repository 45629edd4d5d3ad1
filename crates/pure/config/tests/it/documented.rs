//! The documented deployments load.

use crate::fixture::{AUTH_PROVIDER, CLAUDE, GATEWAY, WHOLE, printed, read};

#[test]
fn documented_files_are_read_without_a_problem() {
    for (name, text) in
        [("auth provider", AUTH_PROVIDER), ("gateway", GATEWAY), ("claude", CLAUDE), ("whole", WHOLE)]
    {
        if let Err(problems) = read(text) {
            panic!("{name}:\n{}", printed(&problems));
        }
    }
}

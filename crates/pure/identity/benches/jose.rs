//! What signing and verifying cost, next to the bare signature and to `jsonwebtoken`.

fn main() {
    divan::main();
}

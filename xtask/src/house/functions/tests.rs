use super::{Function, of};
use crate::house::sources::Source;

#[test]
fn functions_are_found_with_their_lengths() {
    let text = "\
trait A {
    fn declared(&self);

    fn provided(&self) -> u8 {
        1
    }
}

pub(crate) async fn outer<T>(
    a: T,
) -> Result<(), ()>
where
    T: Copy,
{
    let short = |x| x;
    Ok(())
}

const fn one() -> u8 { 1 }
";
    let function = |name: &str, line, lines| Function { name: name.into(), line, lines };
    assert_eq!(
        of(&Source::new("x.rs".into(), text)),
        [
            function("declared", 2, 1),
            function("provided", 4, 3),
            function("outer", 9, 9),
            function("one", 19, 1)
        ]
    );
}

use std::time::Duration;

use super::spread;

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn ages_lie_within_a_tenth_and_apart() {
    let ages: Vec<_> = (0..1000).map(|number| spread(HOUR, number)).collect();
    assert!(ages.iter().all(|age| (HOUR * 9 / 10..=HOUR * 11 / 10).contains(age)));
    for neighbours in ages.windows(2) {
        assert!(neighbours[0].abs_diff(neighbours[1]) > Duration::from_mins(4), "{neighbours:?}");
    }
    for from in 18..22 {
        let within = HOUR * from / 20..HOUR * (from + 1) / 20;
        let count = ages.iter().filter(|age| within.contains(*age)).count();
        assert!((248..=252).contains(&count), "{count} in {within:?}");
    }
}

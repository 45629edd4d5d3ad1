use std::time::Duration;

use tokio::time;

use super::Outage;

#[tokio::test]
async fn connections_from_before_a_suspicion_are_not_used_again() {
    let outage = Outage::default();
    time::sleep(Duration::from_millis(50)).await;
    assert!(!outage.is_suspect(Duration::from_secs(50)), "nobody has suspected anything");
    outage.suspect();
    time::sleep(Duration::from_millis(50)).await;
    assert!(outage.is_suspect(Duration::from_secs(2)));
    assert!(outage.is_suspect(Duration::from_secs(600)));
    assert!(!outage.is_suspect(Duration::from_millis(1)), "it was made since");
}

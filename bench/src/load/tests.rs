use super::*;

#[test]
fn a_body_goes_through_its_sizes_in_turn() {
    let request = Request::new("http://127.0.0.1:1/", &[], b"{}".to_vec(), 3).unwrap();
    let sent: Vec<Bytes> = (0..4).map(|_| request.next_body()).collect();
    assert_eq!(sent, ["{}", "{} ", "{}  ", "{}"]);
    let request = Request::new("http://127.0.0.1:1/", &[], Vec::new(), 1).unwrap();
    assert!(request.next_body().is_empty());
}

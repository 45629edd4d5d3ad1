use serde_json::json;
use tokio_util::task::TaskTracker;

use gatehouse_identity::jose::sign::SigningKey;

use super::*;

fn claims(number: usize) -> Map<String, Value> {
    Map::from_iter([("number".to_owned(), json!(number))])
}

#[tokio::test]
async fn many_at_once_each_get_their_own_token() {
    let keys = [Algorithm::Es256, Algorithm::Rs256].map(|algorithm| SigningKey::generate(algorithm).unwrap());
    let signers = Signers::start(&Arc::new(LocalKeys::new(keys.into()))).unwrap();
    let tasks = TaskTracker::new();
    let asked = (0..64).map(|number| {
        let signers = signers.clone();
        tasks.spawn(
            async move { (number, signers.sign(Algorithm::Rs256, "JWT", claims(number)).await.unwrap()) },
        )
    });
    for asked in asked.collect::<Vec<_>>() {
        let (number, token) = asked.await.unwrap();
        let payload = token.split('.').nth(1).unwrap();
        let payload = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, payload).unwrap();
        assert_eq!(serde_json::from_slice::<Map<String, Value>>(&payload).unwrap(), claims(number));
    }
    let missing = signers.sign(Algorithm::Ps256, "JWT", claims(0)).await;
    assert_eq!(missing, Err("no key for Ps256".to_owned()));
}

#[tokio::test]
async fn without_a_slow_key_there_is_nobody_to_ask() {
    let keys = LocalKeys::new(vec![SigningKey::generate(Algorithm::Es256).unwrap()]);
    let signers = Signers::start(&Arc::new(keys)).unwrap();
    let refused = signers.sign(Algorithm::Rs256, "JWT", claims(0)).await;
    assert_eq!(refused, Err("no signer thread is running".to_owned()));
}

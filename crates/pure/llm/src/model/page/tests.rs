use serde_json::{Value, json};

use super::{PageError, PageQuery};
use crate::model::tests::model;
use crate::model::{Model, ModelCatalog};

fn page(query: &str) -> Result<Value, PageError> {
    let catalog = ModelCatalog::new((0..45).map(|n| model(&format!("m{n}"))).collect()).unwrap();
    let visible: Vec<&Model> = catalog.iter().collect();
    let page = PageQuery::parse(query)?.page(&visible)?;
    let page = serde_json::to_value(page).unwrap();
    Ok(json!([page["data"].as_array().unwrap().len(), page["first_id"], page["last_id"], page["has_more"]]))
}

#[test]
fn pages_follow_the_cursors() {
    assert_eq!(page("").unwrap(), json!([20, "m0", "m19", true]));
    assert_eq!(page("limit=1000&beta=true").unwrap(), json!([45, "m0", "m44", false]));
    assert_eq!(page("after_id=m19").unwrap(), json!([20, "m20", "m39", true]));
    assert_eq!(page("after_id=m%33%39&limit=5").unwrap(), json!([5, "m40", "m44", false]));
    assert_eq!(page("after_id=m44").unwrap(), json!([0, null, null, false]));
    assert_eq!(page("before_id=m20&limit=3").unwrap(), json!([3, "m17", "m19", true]));
    assert_eq!(page("before_id=m3&limit=3").unwrap(), json!([3, "m0", "m2", false]));
    assert_eq!(page("before_id=m0").unwrap(), json!([0, null, null, false]));
}

#[test]
fn queries_that_ask_for_no_page_are_refused() {
    for limit in ["0", "1001", "-1", "x", ""] {
        assert_eq!(page(&format!("limit={limit}")).unwrap_err(), PageError::Limit, "{limit:?}");
    }
    assert_eq!(page("limit=1&limit=1").unwrap_err(), PageError::Duplicate("limit"));
    assert_eq!(page("after_id=m1&before_id=m2").unwrap_err(), PageError::BothCursors);
    assert_eq!(page("after_id=nope").unwrap_err(), PageError::UnknownCursor("after_id"));
}

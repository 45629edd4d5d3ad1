use serde_json::json;

use super::{CatalogError, Model, ModelCatalog};
use crate::route::Route;

pub(crate) fn model(id: &str) -> Model {
    Model {
        id: id.into(),
        display_name: id.to_uppercase(),
        family: None,
        family_default: false,
        created_at: None,
        max_input_tokens: None,
        supports_1m: false,
        routes: vec![Route { app: "provider".into(), model: id.into() }],
        price: None,
    }
}

#[test]
fn models_are_found_by_their_literal_id() {
    let catalog = ModelCatalog::new(vec![model("a"), model("b[1m]")]).unwrap();
    assert_eq!(catalog.find("a").unwrap().model.id, "a");
    assert!(catalog.find("b[1m]").is_ok());
    for unknown in ["", "A", "a ", "a[1m]", "b"] {
        let message = catalog.find(unknown).unwrap_err().to_string();
        assert_eq!(message, format!("model: `{unknown}` is not available through this gateway"));
    }
}

#[test]
fn catalogs_that_cannot_work_are_refused() {
    let twice = ModelCatalog::new(vec![model("a"), model("a")]).unwrap_err();
    assert_eq!(twice, CatalogError::Duplicate("a".into()));
    let unreachable = Model { routes: Vec::new(), ..model("a") };
    assert_eq!(ModelCatalog::new(vec![unreachable]).unwrap_err(), CatalogError::NoRoute("a".into()));
    assert_eq!(ModelCatalog::new(vec![model("")]).unwrap_err(), CatalogError::Id(String::new()));
}

#[test]
fn an_entry_has_the_shape_that_clients_read() {
    let opus = Model {
        family: Some("opus".into()),
        family_default: true,
        max_input_tokens: Some(200_000),
        supports_1m: true,
        ..model("claude-opus-5-5")
    };
    assert_eq!(
        serde_json::to_value(opus.entry()).unwrap(),
        json!({
            "type": "model", "id": "claude-opus-5-5", "display_name": "CLAUDE-OPUS-5-5",
            "created_at": "1970-01-01T00:00:00Z", "max_input_tokens": 200_000,
            "anthropic_family_tier": "opus", "is_family_default": true, "supports_1m": true,
        })
    );
    let plain = serde_json::to_value(model("m").entry()).unwrap();
    assert_eq!(plain.as_object().unwrap().len(), 4);
}
